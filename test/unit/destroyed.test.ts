/** What a server deletes with an instance, and when that would lose something for good. */
import { describe, expect, test } from 'vitest';
import { destroyedWith, reasonAgainst } from '../../core/archive-life/repair/destroyed.ts';
import { orthancIdOf } from '../../core/identifiers.ts';
import type { StudySidecar } from '../../core/sidecars/sidecar.ts';
import type { OrthancCapabilities } from '../../core/stores/orthanc/capabilities.ts';
import { instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { OrthancInMemory } from '../support/orthanc-in-memory.ts';

const [first, second] = [instanceId(1), instanceId(2)];
const otherSeries = {
  id: orthancIdOf('another series'),
  instances: [{ id: instanceId(3), md5: null, sizeBytes: null, fileUuid: 'three' }],
};
const named = { namedMetadata: { operator: 'X' } };

function withSeries(document: StudySidecar): StudySidecar {
  return studySidecar(1, [], { series: [...document.series, otherSeries] });
}

function idsWith(document: StudySidecar): ReadonlySet<string> | undefined {
  const destroyed = destroyedWith(document, first);
  return destroyed?.ids;
}

describe('with an instance', () => {
  const alone = studySidecar(1, [first]);
  const [series] = alone.series;

  test('its parents go that have no other child', () => {
    expect(idsWith(alone)).toEqual(new Set([first, series?.id, studyId(1)]));
    expect(destroyedWith(alone, first)?.study).toBe(true);
  });

  test('its series goes, and its study stays, where that has another series', () => {
    expect(idsWith(withSeries(alone))).toEqual(new Set([first, series?.id]));
    expect(destroyedWith(withSeries(alone), first)?.study).toBe(false);
  });

  test('nothing else goes where its series has another instance, whether or not the study has another series', () => {
    const two = studySidecar(1, [first, second]);
    for (const document of [two, withSeries(two)]) {
      expect(idsWith(document)).toEqual(new Set([first]));
      expect(destroyedWith(document, first)).toMatchObject({ study: false, contents: [{ id: first }] });
    }
  });

  test('goes the name of its own file', () => {
    expect(destroyedWith(withSeries(alone), instanceId(3))).toMatchObject({ fileUuid: 'three' });
  });

  test('nothing goes that the study does not have', () => expect(destroyedWith(alone, second)).toBeUndefined());
});

describe('deleting', () => {
  const destroyed = { ids: new Set([first]), study: false, contents: [], fileUuid: null };
  const capabilities = async (more: Partial<OrthancCapabilities> = {}): Promise<OrthancCapabilities> => ({
    ...(await (await new OrthancInMemory().connect('server')).capabilities()),
    readOnly: false,
    ingestTranscoding: undefined,
    hasMd5: true,
    hasPatientLevel: true,
    ...more,
  });

  test('loses nothing on a server that keeps what it gets', async () => {
    expect(reasonAgainst(destroyed, await capabilities())).toBeUndefined();
    expect(reasonAgainst({ ...destroyed, study: true }, await capabilities())).toBeUndefined();
    expect(reasonAgainst(destroyed, await capabilities({ hasMd5: undefined, hasPatientLevel: false }))).toBeUndefined();
  });

  test.each<[RegExp, Partial<OrthancCapabilities>]>([
    [/read-only/, { readOnly: true }],
    [/IngestTranscoding/, { ingestTranscoding: '1.2.840.10008.1.2.1' }],
    [/StoreMD5ForAttachments/, { hasMd5: false }],
  ])('is refused with the reason: %s', async (reason, more) => {
    expect(reasonAgainst(destroyed, await capabilities(more))).toMatch(reason);
  });

  test('is refused where metadata by name could not be written again', async () => {
    const contents = [studySidecar(2, []), studySidecar(1, [], named)];
    expect(reasonAgainst({ ...destroyed, contents }, await capabilities())).toMatch(/metadata/);
  });

  test('is refused where it would take a patient along whose attachments cannot be read', async () => {
    const study = { ...destroyed, study: true };
    expect(reasonAgainst(study, await capabilities({ hasPatientLevel: false }))).toMatch(/PatientLevelEnabled/);
  });
});
