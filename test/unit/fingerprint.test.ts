/** What is attached to a study shows in its fingerprint, whatever it is and wherever it hangs. */
import { expect, test } from 'vitest';
import { md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { commonScope, fingerprintOf } from '../../core/sidecars/fingerprint.ts';
import { noContent, type PatientSidecar, type StudySidecar } from '../../core/sidecars/sidecar.ts';
import { announcesStudy } from '../../core/sidecars/study-of-change.ts';
import type { StudyServer } from '../../core/sidecars/study-server.ts';
import { instanceId, studySidecar } from '../support/archived-studies.ts';

const scope = { labels: true, patients: true };
const plain = studySidecar(0, [instanceId(0), instanceId(1)]);
const patient: PatientSidecar = {
  format: 'orthanc-mirror-patient',
  version: 1,
  id: orthancIdOf('P0'),
  tags: {},
  protected: false,
  ...noContent,
};

const attached = {
  label: { labels: ['urgent'] },
  'another label': { labels: ['later'] },
  metadata: { metadata: { 1030: 'value' } },
  'other metadata': { metadata: { 1030: 'another' } },
  'metadata of another number': { metadata: { 1031: 'value' } },
  attachment: { attachments: { 1040: { md5: md5Of(Buffer.from('a')), sizeBytes: 1 } } },
  'other bytes of an attachment': { attachments: { 1040: { md5: md5Of(Buffer.from('b')), sizeBytes: 1 } } },
  'an attachment of another number': { attachments: { 1041: { md5: md5Of(Buffer.from('a')), sizeBytes: 1 } } },
};
type Attached = (typeof attached)[keyof typeof attached];

const places: Readonly<Record<string, (content: Attached) => readonly [StudySidecar, PatientSidecar]>> = {
  study: (content) => [{ ...plain, ...content }, patient],
  series: (content) => [{ ...plain, series: plain.series.map((one) => ({ ...one, ...content })) }, patient],
  instance: (content) => {
    const [series] = plain.series;
    const [first, ...rest] = series?.instances ?? [];
    if (series === undefined || first === undefined) throw new Error('it has instances');
    return [{ ...plain, series: [{ ...series, instances: [{ ...first, ...content }, ...rest] }] }, patient];
  },
  patient: (content) => [plain, { ...patient, ...content }],
};

test('everything that is attached, and where, makes another fingerprint', () => {
  const prints = Object.values(places).flatMap((place) =>
    Object.values(attached).map((content) => fingerprintOf(...place(content), scope)),
  );
  const all = [
    fingerprintOf(plain, patient, scope),
    fingerprintOf(plain, { ...patient, protected: true }, scope),
    ...prints,
  ];
  expect(new Set(all).size).toBe(2 + 4 * 8);
});

test('nothing attached is an empty fingerprint, and the order of labels is none', () => {
  expect(fingerprintOf(plain, patient, scope)).toBe('');
  expect(fingerprintOf(plain, undefined, scope)).toBe('');
  const [one, other] = [
    ['a', 'b'],
    ['b', 'a'],
  ].map((labels) => fingerprintOf({ ...plain, labels }, patient, scope));
  expect(one).toMatch(/^[0-9a-f]{32}$/);
  expect(one).toBe(other);
});

test('what one of the servers cannot hold is not compared', () => {
  const server = (hasLabels: boolean, hasPatientLevel: boolean) =>
    ({ capabilities: { hasLabels, hasPatientLevel } }) as StudyServer;
  const full = server(true, true);
  expect(commonScope([full, full])).toEqual(scope);
  expect(commonScope([full, server(false, true)])).toEqual({ labels: false, patients: true });
  expect(commonScope([server(true, false), full])).toEqual({ labels: true, patients: false });
  const labelled = { ...plain, labels: ['urgent'] };
  expect(fingerprintOf(labelled, patient, { ...scope, labels: false })).toBe('');
  const guarded = { ...patient, protected: true, ...attached.metadata };
  expect(fingerprintOf(plain, guarded, { ...scope, patients: false })).toBe('');
});

test.each([
  ['StableStudy', 'studies', true],
  ['StableSeries', 'series', false],
  ['StableStudy', 'series', false],
  ['UpdatedMetadata', 'instances', true],
  ['UpdatedAttachment', 'series', true],
  ['UpdatedAttachment', 'patients', true],
  ['NewInstance', 'instances', false],
  ['Deleted', 'studies', false],
] as const)('a change of the kind %s to %s says whether a sidecar has another content', (type, level, announces) => {
  expect(announcesStudy({ type, level })).toBe(announces);
});
