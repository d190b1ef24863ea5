/**
 * Finds the defects that no test sees: `npm run mutate -- FILE…`, of all rooms that decide where no file is named. One
 * file after the other is held against the tests of units and contracts that are nearest to it by their imports, and
 * reported in `.cache/mutation/`; what was decided once is not tried again until the file or its tests change.
 *
 *     npm run mutate -- core/mirror/plan.ts              one file, against the tests that import it, or are nearest to it
 *     npm run mutate -- --tests 10 core/mirror/plan.ts   what survived, against some ten that are farther away as well
 *     npm run mutate -- --table                          what was found until now
 */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

const rooms = 'core/{mirror,archive-life,stores}/**/*.ts';
const tests = globSync('test/{unit,contract}/**/*.test.ts')
  // What kills processes or measures memory is slow, and sees no other defects.
  .filter((test) => !/archive-(kills|memory)/.test(test));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tests: { type: 'string', default: '1' }, table: { type: 'boolean', default: false } },
});
const files = positionals.length > 0 ? positionals : globSync(rooms).sort();
if (!values.table) for (const file of files) mutate(file, Number(values.tests));
printTable();

function mutate(file: string, enoughTests: number): void {
  const nearest = nearestTests(file, enoughTests);
  if (nearest.length === 0) {
    console.log(`${file}: no test of a unit or a contract reaches it`);
    return;
  }
  console.log(`${file}: ${nearest.join(' ')}`);
  const stryker = ['run', '--mutate', file, '--testFiles', nearest.join(','), '--incrementalFile', reportOf(file)];
  const { status } = spawnSync('stryker', stryker, { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}

function reportOf(file: string): string {
  return `.cache/mutation/${file}.json`;
}

/** Tests that import a file directly; if those are not enough, also those that do over one more import, and so on. */
function nearestTests(file: string, enough: number): readonly string[] {
  const importers = importersOfAll();
  const found = new Set([file]);
  const isEnough = () => [...found].filter((one) => tests.includes(one)).length >= enough;
  for (let last: readonly string[] = [file]; last.length > 0 && !isEnough(); ) {
    last = last.flatMap((one) => importers.get(one) ?? []).filter((one) => !found.has(one));
    for (const one of last) found.add(one);
  }
  return [...found].filter((one) => tests.includes(one));
}

/** Who imports each file for more than its types. */
function importersOfAll(): ReadonlyMap<string, readonly string[]> {
  const pairs = globSync('{core,lambdas,test}/**/*.ts').flatMap((importer) => {
    const statements = readFileSync(importer, 'utf8').matchAll(
      /^(?:import|export)\s(?!type\s)[^;]*?from '(\.[^']+)';$/gm,
    );
    return [...statements].map(([, path = '']) => ({ importer, file: join(dirname(importer), path) }));
  });
  const byFile = Map.groupBy(pairs, ({ file }) => file);
  return new Map([...byFile].map(([file, found]) => [file, found.map(({ importer }) => importer)]));
}

interface Found {
  readonly file: string;
  readonly killed: number;
  readonly survived: number;
  readonly unreached: number;
}

/** A report of Stryker: https://github.com/stryker-mutator/mutation-testing-elements, as far as it is counted here. */
function found(file: string): Found {
  const report = z.object({
    files: z.record(z.string(), z.object({ mutants: z.array(z.object({ status: z.string() })) })),
  });
  const { mutants } = report.parse(JSON.parse(readFileSync(reportOf(file), 'utf8'))).files[file] ?? { mutants: [] };
  const count = (...statuses: readonly string[]) => mutants.filter(({ status }) => statuses.includes(status)).length;
  return { file, killed: count('Killed', 'Timeout'), survived: count('Survived'), unreached: count('NoCoverage') };
}

function printTable(): void {
  const all = globSync(rooms)
    .sort()
    .filter((file) => existsSync(reportOf(file)))
    .map(found);
  const sum = (of: (one: Found) => number) => all.reduce((total, one) => total + of(one), 0);
  const together = {
    file: `together, of ${all.length} files`,
    killed: sum(({ killed }) => killed),
    survived: sum(({ survived }) => survived),
    unreached: sum(({ unreached }) => unreached),
  };
  console.log('\n| file | defects | killed | survived | not reached |\n| --- | --- | --- | --- | --- |');
  for (const { file, killed, survived, unreached } of [...all, together]) {
    const defects = killed + survived + unreached;
    const share = defects === 0 ? '' : ` (${((100 * killed) / defects).toFixed(1)} %)`;
    console.log(`| \`${file}\` | ${defects} | ${killed}${share} | ${survived} | ${unreached} |`);
  }
}
