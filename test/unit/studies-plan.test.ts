import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InstanceId, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { overwrites } from '../../core/sidecars/apply-sidecar.ts';
import { canonical, contentHash } from '../../core/sidecars/canonical-json.ts';
import { type ContentChange, planPatient, planStudy } from '../../core/sidecars/plan-changes.ts';
import {
  type AttachmentContent,
  noContent,
  type PatientSidecar,
  type ResourceContent,
  type SeriesRecord,
  type StudySidecar,
  studySidecarSchema,
} from '../../core/sidecars/sidecar.ts';
import { knownCaches } from '../../core/sidecars/skip-list.ts';

const id = (name: string) => orthancIdOf(name) as InstanceId;

const attachment = fc.constantFrom('a', 'b', 'c').map((text): AttachmentContent => {
  return { md5: md5Of(Buffer.from(text)), sizeBytes: 1 };
});
const number = fc.constantFrom('1024', '1030', '4202', '4301', '9999', '10000', '13999', '14000', '65535');
const content: fc.Arbitrary<ResourceContent> = fc.record({
  labels: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')).map((labels) => labels.toSorted()),
  metadata: fc.dictionary(number, fc.constantFrom('', 'one', { base64: '6Q==' }, { base64: '6A==' }), {
    noNullPrototype: true,
  }),
  attachments: fc.dictionary(number, attachment, { noNullPrototype: true }),
  systemMetadata: fc.constant({}),
  namedMetadata: fc.constant({}),
});

/** Studies over the same small set of series and instances. */
const study: fc.Arbitrary<StudySidecar> = fc
  .tuple(content, fc.array(fc.tuple(content, fc.array(content, { maxLength: 2 })), { maxLength: 2 }))
  .map(([own, series]) => ({
    format: 'orthanc-mirror-study',
    version: 1,
    id: id('study'),
    patientId: id('patient'),
    patientTags: {},
    tags: {},
    ...own,
    series: series.map(([ofSeries, instances], s) => ({
      id: id(`series ${s}`),
      tags: {},
      ...ofSeries,
      instances: instances.map((ofInstance, i) => ({
        id: id(`instance ${s} ${i}`),
        md5: null,
        sizeBytes: null,
        fileUuid: null,
        ...ofInstance,
      })),
    })),
  }));

const bare: StudySidecar = {
  format: 'orthanc-mirror-study',
  version: 1,
  id: id('study'),
  patientId: id('patient'),
  patientTags: {},
  tags: {},
  ...noContent,
  series: [],
};

/** A series whose instances carry nothing, nor itself. */
function emptied(series: SeriesRecord): SeriesRecord {
  return { ...series, ...noContent, instances: series.instances.map((one) => ({ ...one, ...noContent })) };
}

/** What a server would hold after these changes. */
function applied(held: StudySidecar, changes: readonly ContentChange[]): StudySidecar {
  const after = structuredClone(held);
  const resources = new Map<OrthancId, ResourceContent>();
  for (const one of [after, ...after.series, ...after.series.flatMap((series) => series.instances)]) {
    resources.set(one.id, one);
  }
  for (const change of changes) {
    const resource = resources.get(change.id);
    if (resource === undefined) throw new Error('a change to a resource that is not there');
    make(resource, change);
  }
  return after;
}

function make(resource: ResourceContent, change: ContentChange): void {
  switch (change.kind) {
    case 'put-label':
      resource.labels = [...resource.labels, change.label].toSorted();
      break;
    case 'delete-label':
      resource.labels = resource.labels.filter((label) => label !== change.label);
      break;
    case 'put-metadata':
      expect(change.replaces).toBe(resource.metadata[change.number] !== undefined);
      resource.metadata[change.number] = change.value;
      break;
    case 'delete-metadata':
      delete resource.metadata[change.number];
      break;
    case 'put-attachment':
      expect(change.replaces).toBe(resource.attachments[change.number] !== undefined);
      resource.attachments[change.number] = change.attachment;
      break;
    case 'delete-attachment':
      delete resource.attachments[change.number];
      break;
    case 'protect':
      throw new Error('a study has no protection');
  }
}

describe('the plan of changes', () => {
  const options = { mode: 'equal', labels: true, skip: knownCaches } as const;

  it('writes nothing where nothing differs, and converges for any two studies', () => {
    fc.assert(
      fc.property(study, study, (wanted, held) => {
        expect(planStudy(held, held, options).changes).toEqual([]);
        const after = applied(held, planStudy(wanted, held, options).changes);
        expect(planStudy(wanted, after, options).changes).toEqual([]);
      }),
    );
  });

  it('never touches a number of the skip list, nor labels where there are none', () => {
    fc.assert(
      fc.property(study, study, (wanted, held) => {
        for (const change of planStudy(wanted, held, { ...options, labels: false }).changes) {
          expect(change.kind).not.toMatch(/label/);
          if ('number' in change) {
            expect(change.kind.endsWith('metadata') ? [4202] : [4301, 10_000, 13_999]).not.toContain(change.number);
          }
        }
      }),
    );
  });

  it.each(['add', 'finish'] as const)('in the mode %s takes nothing away, and names what differs and stays', (mode) => {
    fc.assert(
      fc.property(study, study, (wanted, held) => {
        const { changes, kept } = planStudy(wanted, held, { ...options, mode });
        expect(changes.filter(overwrites)).toEqual([]);
        const after = applied(held, changes);
        const again = planStudy(wanted, after, { ...options, mode });
        expect(again).toMatchObject({ changes: [], kept });
        // Nothing is left to do but what is named.
        const left = planStudy(wanted, after, options).changes.filter(({ kind }) => kind.startsWith('put'));
        expect(left.map(({ id }) => id).filter((one) => kept.every((value) => value.id !== one))).toEqual([]);
      }),
    );
  });

  it('takes the labels of a resource for one value where it finishes what was deleted a while ago', () => {
    const finish = { ...options, mode: 'finish' } as const;
    const labelled = (...labels: string[]): StudySidecar => ({ ...bare, labels });
    expect(planStudy(labelled('x', 'y'), labelled('x'), finish).changes).toHaveLength(1);
    expect(planStudy(labelled('x'), labelled('y'), finish)).toMatchObject({ changes: [], kept: [{ what: 'label' }] });
    expect(planStudy(labelled('x'), labelled('x', 'y'), finish)).toMatchObject({ changes: [], kept: [] });
    expect(planStudy(labelled('x'), labelled('y'), { ...options, mode: 'add' }).changes).toHaveLength(1);
  });

  it('protects a patient, and takes protection away only to make it equal', () => {
    const patient = (isProtected: boolean): PatientSidecar => ({
      format: 'orthanc-mirror-patient',
      version: 1,
      id: id('patient'),
      tags: {},
      protected: isProtected,
      ...noContent,
    });
    for (const mode of ['equal', 'add', 'finish'] as const) {
      const plan = (wanted: boolean, held: boolean) =>
        planPatient(patient(wanted), patient(held), { ...options, mode });
      expect(plan(true, false).changes).toMatchObject([{ kind: 'protect', protected: true }]);
      expect(plan(false, true).changes).toHaveLength(mode === 'equal' ? 1 : 0);
      expect(plan(false, true).kept).toHaveLength(mode === 'equal' ? 0 : 1);
      expect(plan(true, true)).toMatchObject({ changes: [], kept: [] });
    }
  });

  it('plans for instances that are to come as for such that carry nothing', () => {
    fc.assert(
      fc.property(study, (wanted) => {
        const nothing = planStudy(wanted, undefined, { ...options, mode: 'add' });
        expect(nothing.changes).toEqual([]);
        const expected = planStudy(wanted, undefined, { ...options, mode: 'add', expected: () => true });
        const empty = { ...wanted, ...noContent, series: wanted.series.map(emptied) };
        const comes = wanted.series.some(({ instances }) => instances.length > 0);
        const whole = planStudy(wanted, empty, { ...options, mode: 'add' }).changes;
        const ofEmptySeries = new Set(wanted.series.filter((one) => one.instances.length === 0).map((one) => one.id));
        expect(expected.changes).toEqual(
          comes ? whole.filter((change) => !ofEmptySeries.has(change.id as InstanceId)) : [],
        );
      }),
    );
  });

  it('counts the instances that are not there', () => {
    fc.assert(
      fc.property(study, study, (wanted, held) => {
        const there = new Set(held.series.flatMap((series) => series.instances.map((instance) => instance.id)));
        const lacking = wanted.series.flatMap((series) => series.instances).filter((one) => !there.has(one.id));
        expect(planStudy(wanted, held, options).lacking).toEqual(lacking);
      }),
    );
  });
});

describe('the archived form of a document', () => {
  it('is read back as it was', () => {
    fc.assert(
      fc.property(study, (document) => {
        const text = JSON.stringify(canonical(document));
        expect(studySidecarSchema.parse(JSON.parse(text))).toEqual(document);
      }),
    );
  });

  it('has the same hash in any order of its parts, and another with any other content', () => {
    const document = { b: [1, 2], a: { d: 'x', c: 'y' } };
    expect(contentHash({ a: { c: 'y', d: 'x' }, b: [1, 2], e: [], f: {}, g: undefined })).toBe(contentHash(document));
    for (const other of [
      { ...document, b: [2, 1] },
      { ...document, a: { c: 'y' } },
      { ...document, e: '' },
    ]) {
      expect(contentHash(other)).not.toBe(contentHash(document));
    }
  });

  it.each([
    ['a system number', { metadata: { 1023: 'x' } }],
    ['a number beyond the last', { attachments: { 65536: { md5: md5Of(Buffer.of()), sizeBytes: 0 } } }],
    ['a number in another notation', { metadata: { '01024': 'x' } }],
    ['an MD5 that is none', { attachments: { 1024: { md5: 'x', sizeBytes: 0 } } }],
    ['an id that is none', { id: '../../etc' }],
    ['another version', { version: 2 }],
    ['an unknown part', { extra: 1 }],
  ])('is refused with %s', (_, wrong) => {
    const right = {
      format: 'orthanc-mirror-study',
      version: 1,
      id: id('study'),
      patientId: id('patient'),
    };
    expect(studySidecarSchema.parse(right)).toMatchObject(noContent);
    expect(studySidecarSchema.safeParse({ ...right, ...wrong }).success).toBe(false);
  });
});
