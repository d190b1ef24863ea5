/**
 * Finds the defects that no test sees: makes one at a time, and runs the tests of units and contracts that are nearest to
 * it by their imports until one fails. What was found is kept in `.cache/mutation/`, and tried again only when the file or
 * the test changed. `docs/mutation.md` says what was found.
 *
 *     npm run mutate -- core/mirror/plan.ts               every defect in a file, or in a folder
 *     npm run mutate -- --sample 200 --seed 7             200 of all rooms that decide, each as likely as any other
 *     npm run mutate -- --sample 200 --seed 7 --tests 30  the same; what survived, against tests that are farther away too
 */
import { randomInt } from 'node:crypto';
import { globSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Mutant, mutantsOf, sampled } from './mutation/mutants.ts';
import { nearestTests } from './mutation/nearest-tests.ts';
import { Seen } from './mutation/seen.ts';
import { Trials } from './mutation/trials.ts';

type Outcome = 'killed' | 'survived' | 'unreached';

const rooms = ['core/mirror', 'core/archive-life', 'core/stores'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tests: { type: 'string', default: '6' }, sample: { type: 'string' }, seed: { type: 'string' } },
});
const enoughTests = Number(values.tests);
const seed = Number(values.seed ?? randomInt(2 ** 31));

const places = positionals.length > 0 ? positionals : rooms;
const files = places
  .flatMap((place) => (statSync(place).isDirectory() ? globSync(`${place}/**/*.ts`) : [place]))
  .sort();
const all = await mutantsOf(files);
const chosen = values.sample === undefined ? all : sampled(all, Number(values.sample), seed);
const isSample = chosen.length < all.length;
const ofSeed = isSample ? `, --seed ${seed}` : '';
console.log(
  `${chosen.length} of ${all.length} defects in ${files.length} files${ofSeed}; up to ${enoughTests} tests each`,
);

const seen = new Seen();
const counts: Record<Outcome, number> = { killed: 0, survived: 0, unreached: 0 };
await using trials = new Trials();
for (const [index, mutant] of chosen.entries()) {
  const outcome = await outcomeOf(mutant);
  counts[outcome] += 1;
  if (outcome !== 'killed') console.log(`${index + 1} ${outcome} ${told(mutant)}`);
}
printShare();

async function outcomeOf(mutant: Mutant): Promise<Outcome> {
  const tests = nearestTests(mutant.file, enoughTests);
  if (tests.some((test) => seen.passed(mutant, test) === false)) return 'killed';
  let outcome: Outcome = 'unreached';
  for (const test of tests) {
    const known = seen.passed(mutant, test);
    const passed = known ?? (await trials.passes(test, mutant));
    if (passed === undefined) continue;
    if (known === undefined) seen.note(mutant, test, passed);
    if (!passed) return 'killed';
    outcome = 'survived';
  }
  return outcome;
}

function told({ file, line, column, kind, original, replacement }: Mutant): string {
  const short = (text: string) => text.replace(/\s+/g, ' ').slice(0, 90);
  return `${file}:${line}:${column} ${kind}: ${short(original)} → ${short(replacement)}`;
}

function printShare(): void {
  const { killed, survived, unreached } = counts;
  const tried = chosen.length;
  console.log(
    `killed ${killed} of ${tried} (${percent(killed / tried)}), survived ${survived}, reached by no test ${unreached}`,
  );
  if (!isSample) return;
  const [low, high] = wilson(killed, tried);
  console.log(`of all ${all.length}, with 95 % confidence: ${percent(low)} to ${percent(high)}`);
}

/** Wilson's interval for a share: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval */
function wilson(hits: number, tried: number): readonly [number, number] {
  const z = 1.96;
  const middle = (hits + z ** 2 / 2) / (tried + z ** 2);
  const half = (z / (tried + z ** 2)) * Math.sqrt((hits * (tried - hits)) / tried + z ** 2 / 4);
  return [middle - half, middle + half];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
