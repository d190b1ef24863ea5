/** A target that deletes what it took, or refuses it, is never told to be equal. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { generateInstance, writeFolder } from '../../local/dicom/generate.ts';
import type { OrthancServer } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from './support/scene.ts';

/** Ten patients of three instances each, 2.4 MB. */
const instances = Array.from({ length: 30 }, (_, n) =>
  generateInstance({ seed: 'recycled', patient: n % 10, study: 0, series: 0, instance: n }, 80 * 1024),
);
const ids = instances.map(({ id }) => id).toSorted();
const limits = [
  { MaximumPatientCount: 3 },
  { MaximumStorageSize: 1 },
  { MaximumStorageSize: 1, MaximumStorageMode: 'Reject' },
];
const problemSchema = z.looseObject({ id: z.string(), outcome: z.string(), code: z.string(), reason: z.string() });
const summarySchema = z.looseObject({
  copied: z.number(),
  alreadyEqual: z.number(),
  vanished: z.number(),
  conflicting: z.number(),
  rejected: z.number(),
  failed: z.number(),
});

async function missingAt(target: OrthancServer): Promise<readonly string[]> {
  const held = new Set(await instanceIds(target));
  return ids.filter((id) => !held.has(id));
}

/** Runs a command that must name everything that the target lacks when it ends, and count each instance once. */
async function expectTruth(target: OrthancServer, args: readonly string[]) {
  const { exitCode, stdout } = await runCommand([...args, '--json']);
  const { problems, summary } = parseJsonLines(stdout);
  const named = problems.map((problem) => problemSchema.parse(problem));
  const counts = summarySchema.parse(summary);
  const missing = await missingAt(target);
  expect(missing.length).toBeGreaterThan(0);
  // What was on its way when the server became full may have been stored without an answer.
  const certain = named.filter(({ code }) => code === 'not-held').map(({ id }) => id);
  expect(missing).toEqual(expect.arrayContaining(certain));
  expect(named.map(({ id }) => id)).toEqual(expect.arrayContaining([...missing]));
  expect([5, 7]).toContain(exitCode);
  return { named, counts };
}

describe.each([oldOrthanc(), newOrthanc()])('a target of Orthanc $version', ({ version }) => {
  test.each(limits)('with %o is told by each instance that it does not hold', async (config) => {
    const [source, target] = await Promise.all([serverForTest(), serverForTest({ version, config })]);
    await storeAll(source, instances);
    const args = ['run', source.url, target.url, '--force'];
    for (let time = 0; time < 2; time += 1) {
      const { named, counts } = await expectTruth(target, args);
      const { copied, alreadyEqual, failed, vanished, conflicting, rejected } = counts;
      expect(copied + alreadyEqual + failed + vanished + conflicting + rejected).toBe(ids.length);
      expect(failed).toBe(named.length);
      for (const { code, reason } of named) {
        expect(['not-held', 'full', 'server-error']).toContain(code);
        if (code === 'not-held') expect(reason).toMatch(/MaximumPatientCount|MaximumStorageSize/);
      }
    }
  });

  test('that recycles is told by a restore and by an import too', async () => {
    const config = { MaximumPatientCount: 3 };
    const [source, folder] = await Promise.all([serverForTest(), folderForTest()]);
    await storeAll(source, instances);
    const archive = join(folder, 'archive');
    expect((await runCommand(['run', source.url, '--archive', archive])).exitCode).toBe(0);
    const restored = await serverForTest({ version, config });
    await expectTruth(restored, ['restore', '--archive', archive, '--to', restored.url, '--force']);
    await writeFolder(join(folder, 'dicom'), instances);
    const imported = await serverForTest({ version, config });
    const { exitCode, stdout } = await runCommand(['import', join(folder, 'dicom'), '--to', imported.url, '--json']);
    const { problems, summary } = parseJsonLines(stdout);
    const named = problems.map((problem) => problemSchema.parse(problem).id);
    expect(named.toSorted()).toEqual(await missingAt(imported));
    expect(summary).toMatchObject({ stored: ids.length - named.length, failed: named.length });
    expect(exitCode).toBe(5);
  });
});

test.each(limits)('a target that tells its limits (%o) is refused before anything is written', async (config) => {
  const [source, target] = await Promise.all([serverForTest(), serverForTest({ ...newOrthanc(), config })]);
  await storeAll(source, instances);
  const { exitCode } = await runCommand(['run', source.url, target.url]);
  expect(exitCode).toBe(7);
  expect(await instanceIds(target)).toEqual([]);
});
