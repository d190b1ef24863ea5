import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VersionSet } from '../../core/archive-life/version-set.ts';
import { md5Of } from '../../core/identifiers.ts';
import { instanceId } from '../support/archived-studies.ts';

test('a set of versions has what was added, in any order, and nothing else', () => {
  const version = fc.tuple(fc.nat(30), fc.nat(3));
  fc.assert(
    fc.property(fc.array(version), fc.array(version), (added, asked) => {
      const set = new VersionSet();
      for (const [id, md5] of added) set.add(instanceId(id), md5Of(Buffer.of(md5)));
      for (const [id, md5] of [...added, ...asked]) {
        const isThere = added.some(([one, other]) => one === id && other === md5);
        expect(set.has(instanceId(id), md5Of(Buffer.of(md5)))).toBe(isThere);
      }
    }),
  );
});

test('it grows to many, and may be asked in between', () => {
  const set = new VersionSet();
  for (let n = 0; n < 5000; n += 1) {
    set.add(instanceId(n), md5Of(Buffer.from(String(n))));
    if (n % 1000 === 0) expect(set.has(instanceId(n), md5Of(Buffer.from(String(n))))).toBe(true);
  }
  for (let n = 0; n < 5000; n += 1) expect(set.has(instanceId(n), md5Of(Buffer.from(String(n))))).toBe(true);
  expect(set.has(instanceId(5000), md5Of(Buffer.from('5000')))).toBe(false);
});
