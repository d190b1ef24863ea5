/** The image: unpacked as an engine does, and run in namespaces as its user, with a root that cannot be written to. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import packageJson from '../../package.json' with { type: 'json' };
import { folderForTest } from '../e2e/support/scene.ts';
import { artefactsForFile } from './support/artefacts.ts';
import { freshRootsWork, runImage } from './support/fresh-root.ts';
import { expectRoundTrip } from './support/round-trip.ts';
import { run } from './support/run-program.ts';

const artefacts = artefactsForFile('oci');

const descriptor = z.object({ digest: z.string().startsWith('sha256:'), size: z.number() });
const index = z.object({ manifests: z.tuple([descriptor]) });
const manifest = z.object({ config: descriptor, layers: z.array(descriptor) });
const configuration = z.object({
  architecture: z.string(),
  os: z.literal('linux'),
  config: z.object({ User: z.string(), Entrypoint: z.array(z.string()), Volumes: z.object({ '/tmp': z.object({}) }) }),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
});

async function unpacked(): Promise<{ root: string; config: z.output<typeof configuration>['config'] }> {
  const folder = await folderForTest();
  expect((await run('tar', ['-xf', artefacts.path('.tar'), '-C', folder])).exitCode).toBe(0);
  const blob = async ({ digest, size }: z.output<typeof descriptor>) => {
    const path = join(folder, 'blobs', digest.replace(':', '/'));
    expect((await run('sha256sum', [path])).stdout.split(' ')[0]).toBe(digest.replace('sha256:', ''));
    expect((await readFile(path)).length).toBe(size);
    return path;
  };
  const json = async <T>(path: string, schema: z.ZodType<T>) => schema.parse(JSON.parse(await readFile(path, 'utf8')));
  const [first] = (await json(join(folder, 'index.json'), index)).manifests;
  const { config, layers } = await json(await blob(first), manifest);
  const root = join(folder, 'root');
  await mkdir(root);
  const { config: settings, rootfs } = await json(await blob(config), configuration);
  for (const [number, layer] of layers.entries()) {
    const path = await blob(layer);
    const plain = await run('sh', ['-c', 'gzip -dc "$1" | sha256sum', 'sh', path]);
    expect(`sha256:${plain.stdout.split(' ')[0]}`).toBe(rootfs.diff_ids[number]);
    expect((await run('tar', ['-xzpf', path, '-C', root])).exitCode).toBe(0);
  }
  return { root, config: settings };
}

test.runIf(freshRootsWork)(
  'runs as nobody special on a root that cannot be written to: mirrors and restores',
  async () => {
    const { root, config } = await unpacked();
    expect(config.User).not.toMatch(/^(0|root)?(:|$)/);
    const shared = await folderForTest();
    await chmod(shared, 0o777);
    const orthancMirror = (...args: readonly string[]) =>
      runImage(root, shared, config.User, [...config.Entrypoint, ...args]);
    expect((await orthancMirror('--version')).stdout).toBe(`${packageJson.version}\n`);
    await expectRoundTrip('/mnt', orthancMirror);
    // No other place of the root takes a file.
    const refused = await orthancMirror('restore', '--archive', '/mnt/archive', '--to', '/elsewhere');
    expect(refused.exitCode).not.toBe(0);
    expect(refused.stdout + refused.stderr).toMatch(/EROFS|read-only/);
  },
);
