/** A sidecar is written when what users, bytes or the study say is another; not because Orthanc noted a time. */
import { expect, test } from 'vitest';
import { archiveSidecar, readArchivedStudy } from '../../core/sidecars/archive-sidecar.ts';
import { type StudySidecar, studySidecarSchema } from '../../core/sidecars/sidecar.ts';
import type { SidecarFinding } from '../../core/sidecars/sidecar-state.ts';
import { instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';

/** A study whose resources of all levels have these system metadata. */
function studyWith(systemMetadata: Readonly<Record<string, string>>): StudySidecar {
  const document = studySidecar(0, [instanceId(0)]);
  return studySidecarSchema.parse({
    ...document,
    systemMetadata,
    series: document.series.map((series) => ({
      ...series,
      systemMetadata,
      instances: series.instances.map((instance) => ({ ...instance, systemMetadata })),
    })),
  });
}

const options = {
  attachments: async () => {
    throw new Error('there are no attachments');
  },
  onFinding: ({ error }: SidecarFinding) => {
    throw error;
  },
};

test.each([
  ['LastUpdate', false],
  ['ReceptionDate', false],
  ['RemoteAET', true],
  ['Origin', true],
])('another %s is a new version: %s', async (name, isNew) => {
  const objects = new MemoryObjects();
  const write = (value: string) => archiveSidecar(objects, studyWith({ [name]: value }), options);
  expect((await write('20261121T100000')).written).toBe(true);
  expect((await write('20261121T110000')).written).toBe(isNew);
  const newest = await readArchivedStudy(objects, studyId(0), options);
  expect(newest?.document.systemMetadata[name]).toBe(isNew ? '20261121T110000' : '20261121T100000');
});

test('a time that was not told before is none either', async () => {
  const objects = new MemoryObjects();
  await archiveSidecar(objects, studyWith({}), options);
  expect((await archiveSidecar(objects, studyWith({ LastUpdate: 'now' }), options)).written).toBe(false);
});
