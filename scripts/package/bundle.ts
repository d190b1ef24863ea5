/** The command line as JavaScript: everything that it imports in a few files, so that it needs no `node_modules`. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';
import { file, type Tree } from './tree.ts';

/** A package whose code is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly folder: string;
}

export interface Bundle {
  /** Below the root of the program: `cli/…`. */
  readonly files: Tree;
  readonly packages: readonly BundledPackage[];
}

const packageFile = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** Bundles `cli/main.ts` of the checkout. Its code stays as it is written: a stack trace names functions and lines. */
export async function bundle(checkout: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: checkout,
    entryPoints: ['cli/main.ts', 'cli/open/render-worker.ts'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    outbase: '.',
    outdir: '.',
    chunkNames: 'cli/parts/[name]-[hash]',
    legalComments: 'none',
    // CommonJS packages ask for Node's own modules by `require`, and for where they are, which a module does not have.
    banner: {
      js:
        "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url); " +
        'const { dirname: __dirname, filename: __filename } = import.meta;',
    },
    write: false,
    metafile: true,
  });
  const files = new Map(
    result.outputFiles.map(({ path, contents }) => [path.slice(checkout.length + 1), file(Buffer.from(contents))]),
  );
  return { files, packages: await packagesOf(checkout, Object.keys(result.metafile.inputs)) };
}

/**
 * Throws when code refers to a file or folder beside it (`new URL('../x', import.meta.url)`) that the program lacks: such a path
 * is that of the source, and only by care that of the bundle.
 */
export function checkReferences(program: Tree): void {
  for (const [path, entry] of program) {
    if (!path.endsWith('.js') || entry.kind !== 'file' || !Buffer.isBuffer(entry.content)) continue;
    for (const [, reference = ''] of entry.content.toString().matchAll(/new URL\("([^"]+)", import\.meta\.url\)/g)) {
      const referred = join(dirname(path), reference);
      const isThere = referred.endsWith('/')
        ? [...program.keys()].some((each) => each.startsWith(referred))
        : program.has(referred);
      if (!isThere) throw new Error(`${path} refers to ${reference}, which is not packed`);
    }
  }
}

/** The licenses of what is bundled, one after the other. */
export async function thirdPartyLicenses(packages: readonly BundledPackage[]): Promise<string> {
  const texts = await Promise.all(packages.map(licenseText));
  return `The program contains code of these packages.\n\n${texts.join('\n\n')}\n`;
}

async function licenseText({ name, version, license, folder }: BundledPackage): Promise<string> {
  const names = (await readdir(folder)).filter((each) => /^(licen[cs]e|copying|notice)/i.test(each)).toSorted();
  const texts = await Promise.all(names.map((each) => readFile(join(folder, each), 'utf8')));
  return [`${'='.repeat(80)}\n${name} ${version}: ${license}\n`, ...texts.map((text) => text.trim())].join('\n');
}

/** The packages of files, which are told as paths in the checkout. */
export async function packagesOf(checkout: string, inputs: readonly string[]): Promise<readonly BundledPackage[]> {
  const paths = inputs.map((path) => resolve(checkout, path));
  const folders = new Set(paths.filter((path) => path.includes('/node_modules/')).map(packageFolder));
  const packages = await Promise.all([...folders].map(readPackage));
  return packages.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function packageFolder(path: string): string {
  const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
  if (folder === undefined || !existsSync(join(folder, 'package.json'))) throw new Error(`${path} is in no package`);
  return folder;
}

export async function readPackage(folder: string): Promise<BundledPackage> {
  return { ...packageFile.parse(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))), folder };
}
