import { expect, test } from 'vitest';
import { type Missing, missingSchema } from '../../core/archive-life/deletions/missing.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { PlannedInstance } from '../../core/mirror/plan.ts';
import { RemovalRecorder } from '../../core/mirror/record-removals.ts';
import { StateDocument } from '../../core/stores/archive/state.ts';
import { instanceId, watchedArchive } from '../support/archived-studies.ts';
import { MemoryStore } from '../support/memory-store.ts';

const onlyAt = [{ role: 'archive', store: new MemoryStore('archive') } as const];

function planned(id: InstanceId, atSource: boolean): PlannedInstance {
  const known = { id, md5: undefined, sizeBytes: undefined, standing: 'held', versions: [], isForeign: false } as const;
  const archived = atSource ? undefined : known;
  return { id, request: undefined, decided: [], atSource, onlyAt: atSource ? [] : onlyAt, archived };
}

/** A run that compares 100 instances, of which the first is gone. */
function aRun(document: StateDocument<Missing>, gone: InstanceId[]): RemovalRecorder {
  return new RemovalRecorder({
    document,
    limits: { maxCount: 10, maxPercent: 5, graceMs: 0 },
    deletesAtTargets: false,
    now: () => new Date(),
    propagate: async (id) => {
      gone.push(id);
      return { kind: 'gone', kept: [] };
    },
  });
}

test('of two runs that overlap neither fails, and nothing counts as gone because two looked at the same time', async () => {
  const { objects } = await watchedArchive();
  const gone: InstanceId[] = [];
  const runs = [0, 1, 2].map(() => aRun(new StateDocument(objects, 'missing', missingSchema), gone));
  for (const run of runs) await run.begin({ resume: false });
  for (const run of runs) {
    for (let n = 0; n < 100; n += 1) run.note(planned(instanceId(n), n > 0));
  }
  for (const run of runs) expect(await run.complete()).toEqual({ kind: 'none' });
  expect(gone).toEqual([]);

  const next = aRun(new StateDocument(objects, 'missing', missingSchema), gone);
  await next.begin({ resume: false });
  for (let n = 0; n < 100; n += 1) next.note(planned(instanceId(n), n > 0));
  expect(await next.complete()).toMatchObject({ kind: 'gone', ids: [instanceId(0)] });
  expect(gone).toEqual([instanceId(0)]);
});
