/**
 * Makes what is installed: the npm package, the Debian package, the image, with the list of what is in each (CycloneDX)
 * and their checksums. The same source and the same SOURCE_DATE_EPOCH give the same bytes.
 *
 *   npm run package [-- --out FOLDER] [--only npm,deb,oci] [--fast]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readPackage } from './bundle.ts';
import { writeDebianPackage } from './debian-package.ts';
import { writeNpmPackage } from './npm-package.ts';
import { writeImage } from './oci-image.ts';
import { buildProgram } from './program.ts';
import { releaseOf } from './release.ts';
import { type Contents, sbomOf } from './sbom.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(checkout, 'dist') },
    only: { type: 'string', default: 'npm,deb,oci' },
    fast: { type: 'boolean', default: false },
  },
});
const out = resolve(values.out);
const wanted = new Set(values.only.split(','));
const release = releaseOf(checkout, values.fast);

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const program = await buildProgram(release);
const withNode = [...program.packages, await readPackage(release.nodeFolder)];

if (wanted.has('npm')) {
  await tell(await writeNpmPackage(program, release, out), { packages: program.packages, libraries: [] });
}
if (wanted.has('deb')) {
  await tell(await writeDebianPackage(program, release, out), { packages: withNode, libraries: [] });
}
if (wanted.has('oci')) {
  const { name, libraries } = await writeImage(program, release, out);
  await tell(name, { packages: withNode, libraries });
}
const names = (await readdir(out)).toSorted();
const sums = await Promise.all(names.map(async (name) => `${await sha256Of(join(out, name))}  ${name}\n`));
await writeFile(join(out, 'SHA256SUMS'), sums.join(''));

async function tell(name: string, contents: Contents): Promise<void> {
  await writeFile(join(out, `${name}.cdx.json`), sbomOf(release, contents));
  const { size } = await stat(join(out, name));
  console.log(`${name}: ${(size / 1024 ** 2).toFixed(1)} MiB`);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
