import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { InstanceIdList } from '../../core/stores/orthanc/instance-id-list.ts';
import { IdArrayReader } from '../../core/stores/orthanc/inventory-unpaged.ts';

const newReader = () => new IdArrayReader((problem) => new Error(problem));
const idsOf = (count: number) => Array.from({ length: count }, (_, index) => orthancIdOf(String(index)));

describe('reading a listing of ids piece by piece', () => {
  it('reads the same wherever it is cut', () => {
    fc.assert(
      fc.property(fc.nat(30), fc.array(fc.integer({ min: 1, max: 60 })), fc.nat(3), (count, cuts, indent) => {
        const ids = idsOf(count);
        const text = `${JSON.stringify(ids, null, indent)}\n`;
        const reader = newReader();
        let position = 0;
        for (const cut of cuts) {
          reader.read(text.slice(position, position + cut));
          position += cut;
        }
        reader.read(text.slice(position));
        expect([...reader.end().sorted()]).toEqual(ids.toSorted());
      }),
    );
  });

  it.each([
    '',
    '[',
    '["a"]',
    '{"a":1}',
    '[,]',
    '[]]',
    '[1]',
    `["${orthancIdOf('a')}"`,
    `["${orthancIdOf('a')}",]`,
    '[] x',
  ])('refuses %j', (text) => {
    expect(() => {
      const reader = newReader();
      reader.read(text);
      reader.end();
    }).toThrow(/ends within|not a list/);
  });
});

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
