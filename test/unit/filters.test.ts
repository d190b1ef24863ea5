/** Which instances a filter takes, in one by one and in the search of a server. */
import { describe, expect, test } from 'vitest';
import type { Filter } from '../../core/mirror/filters/filter-schema.ts';
import { dateRange, type InstanceFacts, matches } from '../../core/mirror/filters/matches.ts';
import { Selection } from '../../core/mirror/filters/select-instances.ts';
import { instanceOf } from '../support/open/written-instance.ts';
import { newSystem, OrthancInMemory, oldSystem } from '../support/orthanc-in-memory.ts';

const now = new Date('2026-11-21T12:00:00Z');
const facts: InstanceFacts = { modality: 'CT', studyDate: '20261120', patientId: 'P1', labels: ['research', 'urgent'] };

test.each<[string, Filter, Partial<InstanceFacts>, boolean]>([
  ['its modality', { modalities: ['MR', 'CT'] }, {}, true],
  ['another modality', { modalities: ['MR'] }, {}, false],
  ['no modality', { modalities: ['MR'] }, { modality: '' }, false],
  ['its patient', { patients: ['P2', 'P1'] }, {}, true],
  ['another patient', { patients: ['P2'] }, {}, false],
  ['one of its labels', { labels: ['later', 'urgent'] }, {}, true],
  ['other labels', { labels: ['later'] }, {}, false],
  ['its first day', { studyDate: { from: '20261120' } }, {}, true],
  ['a later first day', { studyDate: { from: '20261121' } }, {}, false],
  ['its last day', { studyDate: { to: '20261120' } }, {}, true],
  ['an earlier last day', { studyDate: { to: '20261119' } }, {}, false],
  ['the last day', { studyDate: { withinDays: 1 } }, {}, true],
  ['the last day, of one before', { studyDate: { withinDays: 1 } }, { studyDate: '20261119' }, false],
  ['days, of one without a date', { studyDate: { to: '20261120' } }, { studyDate: '' }, false],
  ['days, of one with half a date', { studyDate: { from: '20260101' } }, { studyDate: '202611' }, false],
  ['all that it fulfils', { modalities: ['CT'], patients: ['P1'], labels: ['urgent'] }, {}, true],
  ['all but one that it fulfils', { modalities: ['CT'], patients: ['P1'], labels: ['later'] }, {}, false],
  ['all but its patient', { modalities: ['CT'], patients: ['P2'] }, {}, false],
])('an instance is taken by %s, or not', (_, filter, more, taken) => {
  expect(matches(filter, { ...facts, ...more }, now)).toBe(taken);
});

test.each<[Filter['studyDate'], readonly [string, string]]>([
  [undefined, ['00000101', '99991231']],
  [{ from: '20260101' }, ['20260101', '99991231']],
  [{ to: '20260131' }, ['00000101', '20260131']],
  [{ withinDays: 21 }, ['20261031', '99991231']],
  [{ withinDays: 21, from: '20260101', to: '20261115' }, ['20261031', '20261115']],
  [{ withinDays: 21, from: '20261110' }, ['20261110', '99991231']],
])('the days of %j', (studyDate, range) => {
  expect(dateRange(studyDate, now)).toEqual(range);
});

describe('a server', () => {
  const [one, two] = [instanceOf(), instanceOf({ instance: '1.2.1.1.2' })];
  async function setUp(filter: Filter, system: Readonly<Record<string, unknown>> = newSystem) {
    const server = new OrthancInMemory(system);
    for (const { bytes } of [one, two]) server.put(bytes);
    const store = await server.connect('source');
    await store.capabilities();
    server.asked.length = 0;
    const searches: unknown[] = [];
    const labelled: string[] = [];
    server.instead = ({ path, body }) => {
      if (path === '/tools/find') {
        const search: { Level: string } = JSON.parse(Buffer.from(body).toString());
        searches.push(search);
        const uids = labelled.map((StudyInstanceUID) => ({ MainDicomTags: { StudyInstanceUID } }));
        return { status: 200, value: search.Level === 'Study' ? uids : [one.id] };
      }
      const tags = { Modality: ' CT', StudyDate: '20261120 ', PatientID: 'P1 ' };
      const parent = { MainDicomTags: tags, PatientMainDicomTags: tags, Labels: ['urgent'] };
      const isHeld = [one, two].some(({ id }) => path.includes(id));
      return /\/(series|study)$/.test(path) ? { status: isHeld ? 200 : 404, value: parent } : undefined;
    };
    const selection = new Selection(store, filter, () => now);
    return { selection, searches, labelled };
  }
  const everything: Filter = { modalities: ['CT', 'MR'], patients: ['P1', 'P2'], studyDate: { withinDays: 1 } };

  test('is searched once for what is selected, and its inventory is that of a server', async () => {
    const { selection, searches } = await setUp(everything);
    const listed = await Array.fromAsync(selection.inventory());
    expect(listed).toEqual([{ id: one.id, md5: one.md5, sizeBytes: one.bytes.length }]);
    expect(searches).toEqual([
      {
        Level: 'Instance',
        CaseSensitive: true,
        Query: { Modality: 'CT\\MR', PatientID: 'P1\\P2', StudyDate: '20261120-99991231' },
      },
    ]);
  });

  test('is searched for labelled studies first, and then for some of them at a time', async () => {
    const { selection, searches, labelled } = await setUp({ labels: ['urgent'] });
    labelled.push(...Array.from({ length: 101 }, (_, n) => `1.2.${n}`));
    expect((await Array.fromAsync(selection.inventory())).map(({ id }) => id)).toEqual([one.id]);
    expect(searches).toMatchObject([
      { Level: 'Study', Labels: ['urgent'], LabelsConstraint: 'Any', Query: {} },
      { Level: 'Instance', Query: { StudyInstanceUID: expect.stringMatching(/^1\.2\.0\\.*\\1\.2\.99$/) } },
      { Level: 'Instance', Query: { StudyInstanceUID: '1.2.100' } },
    ]);
  });

  test('that no study is labelled in gives nothing', async () => {
    const { selection, searches } = await setUp({ labels: ['urgent'] });
    expect(await Array.fromAsync(selection.inventory())).toEqual([]);
    expect(searches).toHaveLength(1);
  });

  test.each([
    [oldSystem, false],
    [{ ...newSystem, Version: '1.11.3' }, false],
    [{ ...newSystem, Version: '1.12.0' }, true],
    [{ ...newSystem, Version: '2.0.0' }, true],
    [{ ...newSystem, Version: 'mainline' }, true],
  ])('of %j may know labels or not', async (system, knows) => {
    const { selection } = await setUp({ labels: ['urgent'] }, system);
    const listed = Array.fromAsync(selection.inventory()).then(
      () => 'listed',
      (error: unknown) => error,
    );
    expect(await listed).toEqual(knows ? 'listed' : expect.objectContaining({ code: 'configuration' }));
  });

  test.each<[string, Filter, boolean]>([
    ['what it tells of its series, study and patient', { ...everything, labels: ['urgent'] }, true],
    ['another label', { ...everything, labels: ['later'] }, false],
  ])('is asked for one instance, which is taken by %s or not', async (_, filter, taken) => {
    const { selection } = await setUp(filter);
    expect(await selection.selects(one.id)).toBe(taken);
    expect(await selection.selects(instanceOf({ instance: '1.2.1.1.3' }).id)).toBe(false);
  });
});
