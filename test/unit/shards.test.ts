/** Everything copied in shards by the state machine, against the same by ticks and the queue. */
import { expect, test } from 'vitest';
import { copyShard, parseShardEvent, planShards } from '../../core/cloud/shards/shards.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { shardStates } from '../../infra/shard-states.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { type MemoryStore, sampleId } from '../support/memory-store.ts';
import { minuteMs, SimulatedMirror } from '../support/simulated-mirror.ts';
import { runStates } from '../support/states/interpret.ts';

const instances = 60;
const perStudy = 7;
const states = shardStates({ functionArn: 'worker', bucketName: 'bucket', maxConcurrency: 3, shardsPerInvocation: 2 });

/** A mirror of which one instance is always refused, and two fail at first. */
function troubledMirror(): SimulatedMirror {
  const mirror = new SimulatedMirror({ objects: new MemoryObjects(), targets: ['standby'], maxReceiveCount: 4 });
  for (let n = 0; n < instances; n += 1) mirror.add(n);
  const failures = new Map([
    [sampleId(11), 1],
    [sampleId(12), 2],
  ]);
  const [standby] = mirror.targets;
  if (standby === undefined) throw new Error('there is no target');
  standby.before = (call, id) => {
    if (call !== 'store' || id === undefined) return;
    if (id === sampleId(5)) throw new MirrorError('refused', 'the target refuses it');
    const left = failures.get(id) ?? 0;
    failures.set(id, left - 1);
    if (left > 0) throw new MirrorError('busy', 'somebody else stores it');
  };
  return mirror;
}

function studyOf(n: number): OrthancId {
  return orthancIdOf('patient', `study ${Math.floor(n / perStudy)}`);
}

/** The function of the state machine, with its real decisions, on the stores of a simulated mirror. */
function worker(mirror: SimulatedMirror, objects: MemoryObjects) {
  const numbers = Array.from({ length: instances }, (_, n) => n);
  const signal = new AbortController().signal;
  return async (payload: unknown): Promise<unknown> => {
    const event = parseShardEvent(payload);
    if ('plan' in event) {
      const studies = async () => [...new Set(numbers.map(studyOf))].sort();
      return planShards(event.plan, { studies, objects, prefix: 'main/', signal });
    }
    const work = mirror.transfer();
    let [done, left] = [0, 0];
    for (const shard of event.Items) {
      if (!('study' in shard)) throw new Error('only studies are copied');
      const counts = await copyShard(shard.study, {
        mirror: event.BatchInput.mirror,
        instancesOf: async (study) =>
          numbers
            .filter((n) => studyOf(n) === study)
            .map((n) => ({ id: sampleId(n), md5: undefined, sizeBytes: undefined })),
        work,
        leave: async (messages) => mirror.leave(messages),
        signal,
      });
      done += counts.done;
      left += counts.left;
    }
    return { done, left, sound: 0, damaged: 0, unverified: 0 };
  };
}

async function runShards(mirror: SimulatedMirror, waits: number[] = []) {
  const objects = new MemoryObjects();
  return runStates(
    states,
    { mirror: 'main', work: 'copy' },
    {
      invoke: (_, payload) => worker(mirror, objects)(payload),
      readObject: async (_, key) => Buffer.from(objects.stored.get(key.slice('main/'.length))?.bytes ?? []).toString(),
      writeObject: async (_, key, text) => {
        const bytes = Buffer.from(text);
        await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
      },
      wait: async (seconds) => {
        waits.push(seconds);
        mirror.nowMs += seconds * 1000;
      },
      execution: 'first-load',
    },
  );
}

/** Works on the queue until nothing comes back. */
async function drain(mirror: SimulatedMirror): Promise<void> {
  for (let minutes = 0; minutes < 600 && mirror.queue.length > 0; minutes += 1) {
    await mirror.work();
    mirror.nowMs += minuteMs;
  }
}

function heldBy({ instances: held }: Pick<MemoryStore, 'instances'>): readonly string[] {
  return [...held].map(([id, bytes]) => `${id} ${md5Of(bytes)}`).sort();
}

function idIn(body: string): string | undefined {
  return /[0-9a-f-]{44}/.exec(body)?.[0];
}

test('the state machine copies what the queue copies, and what fails ends in the same dead letters', async () => {
  const [byQueue, byShards] = [troubledMirror(), troubledMirror()];
  await byQueue.tick();
  await drain(byQueue);
  const { transitions, mostAtOnce } = await runShards(byShards);
  await drain(byShards);
  expect(heldBy(byShards.archive)).toHaveLength(instances);
  expect(heldBy(byShards.archive)).toEqual(heldBy(byQueue.archive));
  expect(byShards.targets.map(heldBy)).toEqual(byQueue.targets.map(heldBy));
  const lettersOf = ({ deadLetters }: SimulatedMirror) => deadLetters.map(({ body, code }) => `${idIn(body)} ${code}`);
  expect(lettersOf(byShards)).toEqual([`${sampleId(5)} refused`]);
  expect(lettersOf(byShards)).toEqual(lettersOf(byQueue));
  // The plan, the map, and each of five pairs of studies.
  expect(transitions).toBe(2 + 5);
  expect(mostAtOnce).toBe(3);
});

test('what an instance is to blame for is left to the queue; nothing else is', async () => {
  const mirror = troubledMirror();
  await runShards(mirror);
  expect(mirror.queue.map(({ body }) => idIn(body)).sort()).toEqual([sampleId(5), sampleId(11), sampleId(12)].sort());
});

test('a source that refuses everybody ends the execution after hours, with nothing left to the queue', async () => {
  const mirror = troubledMirror();
  mirror.source.before = () => {
    throw new MirrorError('unauthorized', 'the source refuses everybody');
  };
  const waits: number[] = [];
  await expect(runShards(mirror, waits)).rejects.toMatchObject({ disposition: 'halt' });
  expect(Math.max(...waits)).toBe(1800);
  expect(mirror.queue).toEqual([]);
  expect(mirror.deadLetters).toEqual([]);
});

test('a second execution copies nothing again', async () => {
  const mirror = troubledMirror();
  await runShards(mirror);
  await drain(mirror);
  const { store } = mirror.archive.calls;
  await runShards(mirror);
  expect(mirror.archive.calls.store).toBe(store);
});

test.each([
  ['a work that there is not', { plan: { mirror: 'main', work: 'delete', execution: 'x' } }],
  ['a name that leads elsewhere', { plan: { mirror: 'main', work: 'copy', execution: '../../archive' } }],
  ['a key', { BatchInput: { mirror: 'main', work: 'copy' }, Items: [{ study: 'instances/x' }] }],
  ['no shard', { BatchInput: { mirror: 'main', work: 'copy' }, Items: [] }],
  ['a part beyond the last', { BatchInput: { mirror: 'main', work: 'verify' }, Items: [{ n: 3, t: 2 }] }],
])('%s is refused', (_, event) => {
  expect(() => parseShardEvent(event)).toThrow('not one of the state machine');
});
