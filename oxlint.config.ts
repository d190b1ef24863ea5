/** What may import what, and the rules of correctness. Everything here holds without exception. */
import { defineConfig, type OxlintOverride } from 'oxlint';

/** The rooms of `core` in the order of their imports: each may use those before it, and none behind it. */
const rooms = [
  'streams',
  'dicom',
  'stores',
  'copy',
  'sidecars',
  'orthanc-disk',
  'archive-life',
  'mirror',
  'config',
  'import',
  'host',
  'cloud',
  'open',
];

/** What stands on `core`: of these, each may use `core` and itself, and the others only as far as is said here. */
const outside: Readonly<Record<string, readonly string[]>> = {
  core: [],
  cli: ['core'],
  lambdas: ['core'],
  infra: ['core'],
  viewer: ['core'],
};
const folders = ['core', 'cli', 'lambdas', 'infra', 'viewer', 'local', 'bench', 'scripts', 'test'];

function forbid(files: string, names: readonly string[], message: string): OxlintOverride {
  const regex = `^(\\.\\./)+(${names.join('|')})/`;
  return { files: [files], rules: { 'no-restricted-imports': ['error', { patterns: [{ regex, message }] }] } };
}

const foldersInOrder = Object.entries(outside).map(([folder, may]) =>
  forbid(
    `${folder}/**`,
    folders.filter((each) => each !== folder && !may.includes(each)),
    `${folder} may import ${may.join(', ') || 'nothing'} beside itself`,
  ),
);

const roomsInOrder = rooms.map((room, index) =>
  forbid(
    `core/${room}/**`,
    [...rooms.slice(index + 1), ...folders.filter((each) => each !== 'core')],
    `core/${room} stands below: see the order of the rooms in oxlint.config.ts`,
  ),
);

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import'],
  categories: { correctness: 'error' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'max-params': ['error', { max: 5 }],
    'import/no-cycle': ['error', { ignoreTypes: false }],
  },
  // A later override takes the place of an earlier one: the rooms say all that `core` says.
  overrides: [
    ...foldersInOrder,
    forbid('core/*.ts', [...folders, ...rooms], 'this is below all rooms'),
    ...roomsInOrder,
  ],
  ignorePatterns: ['cdk.out', '.cache', 'node_modules', 'viewer/dist'],
});
