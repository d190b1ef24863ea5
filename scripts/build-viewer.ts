/**
 * Builds the viewer into `viewer/dist`: our page with Cornerstone's core and codecs, nothing that is loaded from
 * elsewhere.
 *
 *     node scripts/build-viewer.ts [FOLDER]
 */
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url).pathname;
const { resolve } = createRequire(import.meta.url);

/** What Cornerstone's core names but the viewer never calls: writers of XML and files, and Node's own. */
const unused = ['crypto', 'fs', 'path', 'xmlbuilder2'];

const wasm = [
  '@cornerstonejs/codec-charls/decodewasm',
  '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm',
  '@cornerstonejs/codec-openjpeg/decodewasm',
  '@cornerstonejs/codec-openjph/wasm',
];

/** Builds into a folder, which is replaced when all is there. @returns the files that it is made of, in the checkout. */
export async function buildViewer(folder: string): Promise<readonly string[]> {
  const work = `${folder}.partial.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    metafile: true,
    entryPoints: [{ in: join(root, 'viewer/src/main.ts'), out: 'viewer' }],
    outdir: work,
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    legalComments: 'eof',
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    plugins: [
      {
        name: 'unused',
        setup: (plugin) => {
          plugin.onResolve({ filter: new RegExp(`^(?:${unused.join('|')})$`) }, ({ path }) => ({
            path,
            namespace: 'unused',
          }));
          plugin.onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }));
        },
      },
    ],
  });
  for (const name of ['index.html', 'viewer.css', 'icon.svg'])
    await copyFile(join(root, 'viewer', name), join(work, name));
  for (const name of wasm) await copyFile(resolve(name), join(work, basename(resolve(name))));
  await rm(folder, { recursive: true, force: true });
  await rename(work, folder);
  return [...Object.keys(metafile.inputs), ...wasm.map((name) => resolve(name))];
}

if (import.meta.main) await buildViewer(process.argv[2] ?? join(root, 'viewer/dist'));
