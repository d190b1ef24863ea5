import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { whileStopped } from '../../core/host/backup/server-pause.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'server-pause-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Commands that write down that they ran. */
function commands(stopEnd = 'true', startEnd = 'true') {
  const log = join(folder, 'log');
  return { stop: `echo stop >>${log}; ${stopEnd}`, start: `echo start >>${log}; ${startEnd}`, timeoutMs: 10_000 };
}

function log(): string[] {
  const path = join(folder, 'log');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
}

async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 500 && !condition(); attempt += 1) await wait(20);
  expect(condition()).toBe(true);
}

describe('a server that is stopped for some work', () => {
  it('is stopped before and started after it', async () => {
    const { result } = await whileStopped(commands(), folder, async () => log());
    expect(result).toEqual(['stop']);
    expect(log()).toEqual(['stop', 'start']);
  });

  it('is started again when the work fails', async () => {
    const failing = whileStopped(commands(), folder, async () => {
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(log()).toEqual(['stop', 'start']);
  });

  it('is started again when the stop command fails, and the work is not done', async () => {
    let worked = false;
    const failing = whileStopped(commands('echo no such unit >&2; exit 5'), folder, async () => {
      worked = true;
    });
    await expect(failing).rejects.toMatchObject({ message: expect.stringMatching(/status 5 \(no such unit\)/) });
    expect(worked).toBe(false);
    expect(log()).toEqual(['stop', 'start']);
  });

  it('that cannot be started again is told, with the work done', async () => {
    const { result, startError } = await whileStopped(commands('true', 'exit 3'), folder, async () => 'done');
    expect(result).toBe('done');
    expect(startError).toMatchObject({ disposition: 'halt', message: expect.stringMatching(/by hand/) });
  });

  it('is started again when this process is killed, by whatever signal', async () => {
    const module = fileURLToPath(new URL('../../core/host/backup/server-pause.ts', import.meta.url));
    const script = join(folder, 'killed.ts');
    const text = `import { whileStopped } from '${module}';
      await whileStopped(${JSON.stringify(commands())}, '${folder}', () => new Promise(() => setInterval(() => {}, 1000)));`;
    writeFileSync(script, text);
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGHUP'] as const) {
      rmSync(join(folder, 'log'), { force: true });
      const child = spawn(process.execPath, [script], { stdio: 'ignore' });
      await until(() => log().includes('stop'));
      child.kill(signal);
      await once(child, 'exit');
      await until(() => log().length === 2);
      expect(log()).toEqual(['stop', 'start']);
    }
  });
});
