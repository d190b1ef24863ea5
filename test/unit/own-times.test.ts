/** A sidecar is written when what users, bytes or the study say is another; not because Orthanc noted a time. */
import { expect, test } from 'vitest';
import { archiveDocument, readArchivedStudy } from '../../core/sidecars/archive-document.ts';
import type { SidecarFinding } from '../../core/sidecars/sidecar-state.ts';
import { type StudyDocument, studyDocumentSchema } from '../../core/sidecars/study-document.ts';
import { instanceId, studyDocument, studyId } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';

/** A study whose resources of all levels have these system metadata. */
function studyWith(systemMetadata: Readonly<Record<string, string>>): StudyDocument {
  const document = studyDocument(0, [instanceId(0)]);
  return studyDocumentSchema.parse({
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
  const write = (value: string) => archiveDocument(objects, studyWith({ [name]: value }), options);
  expect((await write('20261121T100000')).written).toBe(true);
  expect((await write('20261121T110000')).written).toBe(isNew);
  const newest = await readArchivedStudy(objects, studyId(0), options);
  expect(newest?.document.systemMetadata[name]).toBe(isNew ? '20261121T110000' : '20261121T100000');
});

test('a time that was not told before is none either', async () => {
  const objects = new MemoryObjects();
  await archiveDocument(objects, studyWith({}), options);
  expect((await archiveDocument(objects, studyWith({ LastUpdate: 'now' }), options)).written).toBe(false);
});
