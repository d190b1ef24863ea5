/** The launcher of real servers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { needs } from '../support/needs.ts';
import { upload } from '../support/orthanc/upload.ts';

const launcher = new URL('../../local/orthanc-server.ts', import.meta.url).href;

describe.each([oldOrthanc(), newOrthanc()])('a server of version $version', ({ version }) => {
  it('keeps what it acknowledged when it is killed, on the same address', async () => {
    await using server = await startOrthanc({ version });
    const { url, pid } = server;
    const instance = generateInstance(placeOfNth('launcher', 0), 4096);
    await upload(url, [instance]);
    await server.kill();
    await expect(fetch(url)).rejects.toThrow();
    await server.restart();
    expect(server.url).toBe(url);
    expect(server.pid).not.toBe(pid);
    expect(await (await fetch(`${url}/instances`)).json()).toEqual([instance.id]);
    expect(await server.cpuMs()).toBeGreaterThan(0);
    expect(await server.residentBytes()).toBeGreaterThan(1_000_000);
    await server.stop();
    expect(existsSync(server.storageFolder)).toBe(false);
    expect(isAlive(pid)).toBe(false);
  });

  it('says why it does not start', async () => {
    const config = { HttpCompressionEnabled: 'nonsense' };
    await expect(startOrthanc({ version, config })).rejects.toThrow(/ended at start\.[\s\S]*HttpCompressionEnabled/);
  });

  it.runIf(needs(process.platform === 'linux', 'Linux')).each(['SIGKILL', 'SIGTERM'] as const)(
    'ends with the process that started it (%s)',
    async (signal) => {
      // A killed process cannot remove its temporary folder.
      const folder = await mkdtemp(join(tmpdir(), 'orthanc-orphan-'));
      const program = `
        const { startOrthanc } = await import(${JSON.stringify(launcher)});
        const { pid } = await startOrthanc(${JSON.stringify({ version, folder })});
        console.log(pid);`;
      const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = await once(parent.stdout, 'data');
      const pid = Number(line);
      expect(isAlive(pid)).toBe(true);
      parent.kill(signal);
      await once(parent, 'exit');
      await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
      await rm(folder, { recursive: true });
    },
  );
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
