/** Servers, files and folders for tests of the command line; everything is gone when the test has finished. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { GeneratedInstance } from '../../../local/dicom/generate.ts';
import { type OrthancServer, type StartOrthancOptions, startOrthanc } from '../../../local/orthanc-server.ts';
import { uploadAll } from '../../../local/upload.ts';

/** A running server that ends with the test. */
export async function serverForTest(options?: StartOrthancOptions): Promise<OrthancServer> {
  const server = await startOrthanc(options);
  onTestFinished(() => server.stop());
  return server;
}

/** An empty folder that goes with the test. */
export async function folderForTest(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-e2e-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Stores generated instances in a server. */
export async function storeAll(server: OrthancServer, instances: Iterable<GeneratedInstance>): Promise<void> {
  const uploads = [...instances].map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
  await uploadAll(server.url, uploads, 4, (answer) => {
    if (answer.kind === 'refused') throw new Error(`the server refused a generated instance with ${answer.status}`);
  });
}

/** The ids of the instances that a server holds, sorted. */
export async function instanceIds(server: Pick<OrthancServer, 'url'>): Promise<readonly string[]> {
  const response = await fetch(new URL('instances', server.url));
  return z
    .array(z.string())
    .parse(await response.json())
    .toSorted();
}

const jsonLine = z.looseObject({ type: z.enum(['problem', 'summary', 'change', 'replaced']) });

/** The lines of `--json`, parsed: problems and the summary. */
export function parseJsonLines(stdout: string): { problems: unknown[]; summary: unknown } {
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => jsonLine.parse(JSON.parse(line)));
  return {
    problems: lines.filter(({ type }) => type === 'problem'),
    summary: lines.find(({ type }) => type === 'summary'),
  };
}
