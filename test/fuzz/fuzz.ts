/**
 * Looks for inputs that break a parser of foreign bytes, for as long as it is told, and keeps what it finds in
 * `test/corpus/`, from where each test run replays it.
 *
 *     npm run fuzz -- [--minutes N] [--seed N] [name …]
 *
 * `--minutes` is the time for each parser, one by default; `--seed` repeats a run; the names are those of the targets.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { addToCorpus, allTargets } from './all-targets.ts';
import type { FuzzTarget } from './target.ts';

/** Inputs that one seed gives; a failure names the seed, so that it is found again soon. */
const runsPerSeed = 2000;
/** Nothing takes so long on an input of some kilobytes: it hangs. */
const hangSeconds = 60;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' } },
});
const msPerTarget = Number(values.minutes) * 60_000;
const firstSeed = Number(values.seed ?? randomInt(2 ** 31));
if (!(msPerTarget > 0) || !Number.isInteger(firstSeed)) throw new Error('--minutes and --seed are numbers');

const known = await allTargets();
const unknown = positionals.filter((name) => !known.some((target) => target.name === name));
if (unknown.length > 0)
  throw new Error(`there is no target ${unknown.join(', ')}: ${known.map(({ name }) => name).join(', ')}`);
const targets = positionals.length === 0 ? known : known.filter(({ name }) => positionals.includes(name));

/** Ends the process if an input never ends: nothing else runs while it does not. */
const heartbeat = new BigInt64Array(new SharedArrayBuffer(8));
const watchdog = new Worker(
  `const { workerData } = require('node:worker_threads');
   let before = -1n, same = 0;
   setInterval(() => {
     const now = Atomics.load(workerData.heartbeat, 0);
     same = now === before ? same + 1 : 0;
     before = now;
     if (same < workerData.hangSeconds) return;
     process.stderr.write('hangs: the input after the last one that was told\\n', () => process.kill(process.pid, 'SIGKILL'));
   }, 1000);`,
  { eval: true, workerData: { heartbeat, hangSeconds } },
);
watchdog.unref();

let found = 0;
for (const target of targets) found += await fuzz(target);
console.log(found === 0 ? 'nothing was found' : `${found} inputs were found; see test/corpus/`);
process.exit(found === 0 ? 0 : 1);

async function fuzz({ name, inputs, check }: FuzzTarget): Promise<number> {
  const endAtMs = performance.now() + msPerTarget;
  let runs = 0;
  for (let seed = firstSeed; performance.now() < endAtMs; seed += 1) {
    const property = fc.asyncProperty(inputs, async (input) => {
      Atomics.add(heartbeat, 0, 1n);
      runs += 1;
      await check(input);
    });
    const left = Math.max(1, endAtMs - performance.now());
    const details = await fc.check(property, { seed, numRuns: runsPerSeed, interruptAfterTimeLimit: left });
    if (details.failed && details.counterexample !== null) {
      const file = await addToCorpus(name, details.counterexample[0]);
      console.log(`${name}: broken by ${file} (--seed ${seed}): ${String(details.errorInstance)}`);
      return 1;
    }
  }
  console.log(`${name}: ${runs} inputs, from --seed ${firstSeed}`);
  return 0;
}
