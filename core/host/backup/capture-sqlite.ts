/** Taking a SQLite index: of a running server, or of one that is stopped for as long as the copy takes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readFileChunks } from '../../orthanc-disk/files/file-bytes.ts';
import type { IndexReader } from '../../orthanc-disk/index/index-reader.ts';
import { copyRecovered } from '../../orthanc-disk/index/sqlite-copy.ts';
import { checkIntegrity } from '../../orthanc-disk/index/sqlite-database.ts';
import { openRecoveredIndex } from '../../orthanc-disk/index/sqlite-index.ts';
import type { CapturedIndex, CaptureIndex } from './capture.ts';
import { type PauseCommands, whileStopped } from './server-pause.ts';

/** Copies the index of a running server; the copy is proven to be of one moment. */
export function captureHot(path: string, workFolder: string): CaptureIndex {
  return async (atThatMoment, options) => {
    const copy = await copyTo(path, workFolder, options.signal);
    const seen = await look(copy, atThatMoment);
    return { captured: captured(path, copy, { method: 'hot' }), seen };
  };
}

/** Stops the server, copies the index, looks, and starts it again. */
export function captureStopped(path: string, workFolder: string, commands: PauseCommands): CaptureIndex {
  return async (atThatMoment, options) => {
    const { result, stoppedMs, startError } = await whileStopped(commands, workFolder, async () => {
      // Proven like a hot copy: it costs little, and a stop command may return before the server has ended.
      const copy = await copyTo(path, workFolder, options.signal);
      return { copy, seen: await look(copy, atThatMoment) };
    });
    return {
      captured: captured(path, result.copy, { method: 'stopped', stoppedMs, startError }),
      seen: result.seen,
    };
  };
}

async function copyTo(path: string, workFolder: string, signal: AbortSignal | undefined): Promise<string> {
  const folder = await mkdtemp(join(workFolder, 'index-'));
  return copyRecovered(path, folder, { signal });
}

async function look<T>(copy: string, atThatMoment: (index: IndexReader) => Promise<T>): Promise<T> {
  const reader = openRecoveredIndex(copy);
  try {
    return await atThatMoment(reader);
  } finally {
    await reader.close();
  }
}

function captured(
  path: string,
  copy: string,
  how: Pick<CapturedIndex, 'method'> & Partial<Pick<CapturedIndex, 'stoppedMs' | 'startError'>>,
): CapturedIndex {
  const reader = openRecoveredIndex(copy);
  return {
    kind: 'sqlite',
    path,
    reader,
    stoppedMs: undefined,
    startError: undefined,
    ...how,
    content: () => checkedContent(copy),
    release: async () => {
      await reader.close();
      await rm(dirname(copy), { recursive: true, force: true });
    },
  };
}

/** The check reads the whole index: it is done when the server runs again. */
async function* checkedContent(copy: string): AsyncGenerator<Uint8Array> {
  checkIntegrity(copy);
  yield* readFileChunks(copy);
}
