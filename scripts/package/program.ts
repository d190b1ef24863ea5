/** The files of the program, the same in every artefact. */
import { join } from 'node:path';
import { configurationJsonSchema } from '../../core/config/reference.ts';
import { buildViewer } from '../build-viewer.ts';
import { type BundledPackage, bundle, checkReferences, packagesOf, thirdPartyLicenses } from './bundle.ts';
import { commandTree } from './command-tree.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completion.ts';
import { manPage } from './man-page.ts';
import type { Release } from './release.ts';
import { below, copyOf, copyOfFolder, file, joined, type Tree } from './tree.ts';

export interface Program {
  /** What runs: launcher, code, hooks; where it lies does not matter. */
  readonly code: Tree;
  /** LICENSE, third-party licenses, README, changelog. */
  readonly texts: Tree;
  readonly manPage: string;
  readonly completions: Readonly<Record<'bash' | 'zsh' | 'fish', string>>;
  readonly packages: readonly BundledPackage[];
}

export async function buildProgram({ checkout, version, description, time }: Release): Promise<Program> {
  const { files, packages: ofCommands } = await bundle(checkout);
  const viewer = join(checkout, 'viewer/dist');
  const ofViewer = await packagesOf(checkout, await buildViewer(viewer));
  const packages = distinct([...ofCommands, ...ofViewer]);
  const commands = commandTree();
  const code = joined(
    files,
    below('hooks', await copyOfFolder(join(checkout, 'hooks'))),
    below('viewer/dist', await copyOfFolder(viewer)),
    new Map([
      ['bin/orthanc-mirror', copyOf(join(checkout, 'bin/orthanc-mirror'), 0o755)],
      // What "$schema" of a configuration may name.
      ['configuration.schema.json', file(`${JSON.stringify(configurationJsonSchema(), undefined, 2)}\n`)],
      ['package.json', file(`${JSON.stringify(packageJson(version, description), undefined, 2)}\n`)],
    ]),
  );
  checkReferences(code);
  return {
    code,
    texts: new Map([
      ['README.md', copyOf(join(checkout, 'README.md'))],
      ['CHANGELOG.md', copyOf(join(checkout, 'CHANGELOG.md'))],
      ['LICENSE', copyOf(join(checkout, 'LICENSE'))],
      ['THIRD-PARTY-LICENSES', file(await thirdPartyLicenses(packages))],
    ]),
    manPage: manPage(commands, version, time),
    completions: { bash: bashCompletion(commands), zsh: zshCompletion(commands), fish: fishCompletion(commands) },
    packages,
  };
}

function distinct(packages: readonly BundledPackage[]): readonly BundledPackage[] {
  return [...new Map(packages.map((each) => [each.folder, each])).values()].toSorted((one, other) =>
    one.name < other.name ? -1 : 1,
  );
}

/** Everything that the program imports is bundled: it depends on nothing. */
function packageJson(version: string, description: string): object {
  return {
    name: 'orthanc-mirror',
    version,
    description,
    license: 'Apache-2.0',
    type: 'module',
    os: ['linux', 'darwin'],
    engines: { node: '>=24' },
    bin: { 'orthanc-mirror': 'bin/orthanc-mirror' },
    man: 'man/orthanc-mirror.1',
  };
}
