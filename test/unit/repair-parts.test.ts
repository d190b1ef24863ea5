import { expect, test } from 'vitest';
import { comingBack } from '../../core/archive-life/repair/missing-instances.ts';
import { partOf } from '../../core/archive-life/repair/replace-on-server.ts';
import { instanceId, studySidecar } from '../support/archived-studies.ts';

const [first, second] = [instanceId(0), instanceId(1)];
const document = studySidecar(0, [first, second], { labels: ['of the study'], metadata: { 1030: 'kept' } });
const series = document.series[0]?.id;

test('of a study that is gone, everything comes back', () => {
  const missing = new Set([first, second]);
  expect(comingBack(document, missing, undefined)).toEqual(new Set([document.id, series, first, second]));
});

test('of a study that is there, only the missing instances, and series that are not there, come back', () => {
  const withFirst = studySidecar(0, [first]);
  expect(comingBack(document, new Set([second]), withFirst)).toEqual(new Set([second]));
  expect(comingBack(document, new Set([second]), studySidecar(0, [], { series: [] }))).toEqual(
    new Set([series, second]),
  );
});

test('a part of a document carries what belongs to its resources, and nothing else', () => {
  const part = partOf(document, { ids: new Set([second]) });
  expect(part).toMatchObject({ id: document.id, labels: [], metadata: {} });
  expect(part.series.flatMap(({ instances }) => instances.map(({ id }) => id))).toEqual([second]);
  expect(partOf(document, { ids: new Set([document.id, second]) })).toMatchObject({
    labels: ['of the study'],
    metadata: { 1030: 'kept' },
  });
});
