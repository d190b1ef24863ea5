import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { InstanceIdList } from '../../core/stores/orthanc/instance-id-list.ts';

const idsOf = (count: number) => Array.from({ length: count }, (_, index) => orthancIdOf(String(index)));

describe('a list of many ids', () => {
  it('sorts as text does, and gives equal ids once', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{8}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(hex, hex, hex, hex, hex)), (groups) => {
        const ids = groups.map((five) => five.join('-')).filter((id) => isInstanceId(id));
        const list = new InstanceIdList();
        for (const id of [...ids, ...ids]) list.add(id);
        expect([...list.sorted()]).toEqual([...new Set(ids)].sort());
      }),
    );
  });

  it('grows', () => {
    const list = new InstanceIdList();
    for (const id of idsOf(5000)) list.add(id);
    expect([...list.sorted()]).toEqual(idsOf(5000).sort());
  });
});
