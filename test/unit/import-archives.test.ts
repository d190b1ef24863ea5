import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultExpansionLimits } from '../../core/import/expansion-limits.ts';
import { overlappingZip, tar, zip } from '../support/import/archives.ts';
import { type ImportFolder, importFolder, instance, makeFolder } from '../support/import/import-setup.ts';

let folder: ImportFolder;
beforeEach(async () => {
  folder = await makeFolder();
});
afterEach(() => folder.remove());

const [first, second, third] = [instance(1), instance(2), instance(3)];
const text = Buffer.from('not an image');

describe('members of archives', () => {
  test.each([
    [
      'a.zip',
      () =>
        zip([
          { name: 'x/1.dcm', bytes: first.bytes },
          { name: '2', bytes: second.bytes, stored: true },
        ]),
    ],
    [
      'a.tar',
      () =>
        tar([
          { name: 'x/1.dcm', bytes: first.bytes },
          { name: '2', bytes: second.bytes },
        ]),
    ],
    [
      'a.tar.gz',
      async () =>
        gzipSync(
          await tar([
            { name: '1', bytes: first.bytes },
            { name: '2', bytes: second.bytes },
          ]),
        ),
    ],
    [
      'zip in tar',
      () =>
        tar([
          { name: 'i.zip', bytes: zip([{ name: '1', bytes: first.bytes }]) },
          { name: '2', bytes: second.bytes },
        ]),
    ],
    [
      'tar in zip',
      async () =>
        zip([
          {
            name: 't',
            bytes: await tar([
              { name: '1', bytes: first.bytes },
              { name: '2', bytes: second.bytes },
            ]),
          },
        ]),
    ],
    [
      'gz in zip',
      () =>
        zip([
          { name: '1.gz', bytes: gzipSync(first.bytes) },
          { name: '2', bytes: second.bytes },
        ]),
    ],
  ])('of %s are imported', async (name, make) => {
    await folder.write(name, await make());
    const { target, summary } = await importFolder(folder);
    expect([...target.instances.keys()].sort()).toEqual([first.id, second.id].sort());
    expect(Buffer.from(target.instances.get(first.id) ?? [])).toEqual(Buffer.from(first.bytes));
    expect(summary.counts).toMatchObject({ stored: 2, refused: 0, failed: 0 });
  });

  test.each(['deflated', 'stored'])('larger than memory is spent on are imported from a zip (%s)', async (method) => {
    const large = [instance(9, 9 * 1024 * 1024), instance(8, 5 * 1024 * 1024)];
    const members = large.map(({ id, bytes }) => ({ name: id, bytes, stored: method === 'stored' }));
    await folder.write('a.zip', zip([...members, { name: 'big.bin', bytes: Buffer.alloc(3_000_000, 'text') }]));
    const { target, summary } = await importFolder(folder);
    expect(summary.counts).toMatchObject({ stored: 2, 'not-dicom': 1, refused: 0 });
    for (const { id, bytes } of large) {
      expect(Buffer.from(target.instances.get(id) ?? []).equals(Buffer.from(bytes))).toBe(true);
    }
  });

  test('larger than memory is spent on are imported from a tar', async () => {
    const large = instance(9, 9 * 1024 * 1024);
    await folder.write(
      'a.tar.gz',
      gzipSync(
        await tar([
          { name: 'large', bytes: large.bytes },
          { name: '1', bytes: first.bytes },
        ]),
      ),
    );
    const { target, summary } = await importFolder(folder);
    expect(summary.counts.stored).toBe(2);
    expect(Buffer.from(target.instances.get(large.id) ?? []).equals(Buffer.from(large.bytes))).toBe(true);
  });

  test('a gzipped file is imported', async () => {
    await folder.write('1.dcm.gz', gzipSync(first.bytes));
    expect((await importFolder(folder)).target.instances.has(first.id)).toBe(true);
  });

  test('with names that lead elsewhere are read like all others, and nothing is written', async () => {
    const names = ['../../escaped.dcm', '/etc/escaped.dcm', 'C:\\escaped.dcm', 'a\\..\\..\\escaped.dcm', ''];
    await folder.write('in/a.zip', zip(names.map((name, n) => ({ name, bytes: instance(n + 10).bytes }))));
    await folder.write('in/a.tar', await tar([{ name: '../../escaped.dcm', bytes: instance(20).bytes }]));
    const before = await readdir(folder.path, { recursive: true });
    const { summary } = await importFolder(folder);
    expect(summary.counts).toMatchObject({ stored: names.length + 1, refused: 0 });
    expect(await readdir(folder.path, { recursive: true })).toEqual(before);
    expect(existsSync('/etc/escaped.dcm') || existsSync(join(folder.path, '../escaped.dcm'))).toBe(false);
  });

  test('that are links are reported and not followed', async () => {
    await folder.write('a.zip', zip([{ name: 'link', bytes: Buffer.from('/etc/passwd'), mode: 0o120777 }]));
    await folder.write('a.tar', await tar([{ name: 'link', bytes: Buffer.from('/etc/passwd'), symlink: true }]));
    const { lines, summary } = await importFolder(folder);
    expect(lines.get('a.zip!/link')).toMatchObject({ outcome: 'not-dicom', what: 'link in an archive' });
    expect(lines.get('a.tar!/link')).toMatchObject({ outcome: 'not-dicom', what: 'symlink in an archive' });
    expect(summary.counts.refused).toBe(0);
  });

  test('that cannot be read are refused one by one', async () => {
    await folder.write(
      'a.zip',
      zip([
        { name: 'wrong-checksum', bytes: first.bytes, claimedCrc32: 1 },
        { name: 'locked', bytes: second.bytes, isEncrypted: true },
        { name: 'good', bytes: third.bytes },
      ]),
    );
    const { lines, target } = await importFolder(folder);
    expect(lines.get('a.zip!/wrong-checksum')).toMatchObject({ outcome: 'refused', code: 'source-corrupt' });
    expect(lines.get('a.zip!/locked')).toMatchObject({ outcome: 'refused', code: 'refused' });
    expect([...target.instances.keys()]).toEqual([third.id]);
  });

  test('before the cut of an archive arrive, and the cut is reported', async () => {
    const bytes = await tar([
      { name: '1', bytes: first.bytes },
      { name: '2', bytes: second.bytes },
    ]);
    await folder.write('cut.tar', bytes.subarray(0, 512 + 4096 + 512 + 100));
    await folder.write('cut.zip', zip([{ name: '1', bytes: first.bytes }]).subarray(0, -30));
    await folder.write('cut.gz', gzipSync(third.bytes).subarray(0, -20));
    const { lines, target } = await importFolder(folder);
    expect([...target.instances.keys()]).toEqual([first.id]);
    for (const name of ['cut.tar', 'cut.zip', 'cut.gz']) {
      expect([...lines.values()].find(({ path }) => path.includes(name) && !path.endsWith('!/1'))).toMatchObject({
        outcome: 'refused',
        code: 'source-corrupt',
      });
    }
  });
});

describe('damaged archives', () => {
  test.each(['zip', 'tar', 'tar.gz'])('of the kind %s end the import of nothing else', async (kind) => {
    const members = [
      { name: '1', bytes: first.bytes },
      { name: '2', bytes: instance(30, 300_000).bytes },
      { name: '3', bytes: Buffer.alloc(50_000, 'text') },
    ];
    const whole = kind === 'zip' ? zip(members) : kind === 'tar' ? await tar(members) : gzipSync(await tar(members));
    await folder.write('good.dcm', third.bytes);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.boolean(),
        async (at, noise, cut) => {
          const damaged = Buffer.from(whole);
          damaged.set(noise.subarray(0, damaged.length - at), at);
          await folder.write(`damaged.${kind}`, cut ? damaged.subarray(0, at) : damaged);
          const { target, summary } = await importFolder(folder);
          expect(target.instances.has(third.id)).toBe(true);
          expect(summary.stoppedBy).toBeUndefined();
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('archives that unfold without end', () => {
  test('nested ten deep are refused below the limit, and what lies above is imported', async () => {
    let nested = zip([{ name: 'deepest.dcm', bytes: first.bytes }]);
    for (let level = 0; level < 9; level += 1) {
      nested = zip([
        { name: 'inner.zip', bytes: nested },
        ...(level === 8 ? [{ name: 'top.dcm', bytes: second.bytes }] : []),
      ]);
    }
    await folder.write('ten.zip', nested);
    const { target, summary, lines } = await importFolder(folder);
    expect([...target.instances.keys()]).toEqual([second.id]);
    expect(summary.counts).toMatchObject({ stored: 1, refused: 1 });
    expect([...lines.values()].find(({ outcome }) => outcome === 'refused')?.reason).toMatch(/more than 5 archives/);
  });

  test.each([
    [2, { stored: 1, refused: 0 }],
    [3, { stored: 0, refused: 1 }],
  ])('%i in each other are taken if two may be', async (depth, counts) => {
    let nested = zip([{ name: 'deepest.dcm', bytes: first.bytes }]);
    for (let level = 1; level < depth; level += 1) nested = zip([{ name: 'inner.zip', bytes: nested }]);
    await folder.write('nested.zip', nested);
    const { summary } = await importFolder(folder, { limits: { ...defaultExpansionLimits, maxDepth: 2 } });
    expect(summary.counts).toMatchObject(counts);
  });

  test('into more bytes than the limit are refused', async () => {
    const zeros = Buffer.alloc(4 * 1024 * 1024);
    const bomb = zip([{ name: 'zeros.gz', bytes: gzipSync(gzipSync(Buffer.concat([first.bytes, zeros]))) }]);
    await folder.write('bomb.zip', bomb);
    await folder.write('good.dcm', second.bytes);
    const limits = { ...defaultExpansionLimits, floorBytes: 1024 * 1024, maxRatio: 10 };
    const { lines, target } = await importFolder(folder, { limits });
    expect(lines.get('bomb.zip!/zeros.gz')).toMatchObject({ outcome: 'refused', code: 'refused' });
    expect([...target.instances.keys()]).toEqual([second.id]);
  });

  test('into more members than the limit are refused', async () => {
    await folder.write('many.zip', zip(Array.from({ length: 50 }, (_, n) => ({ name: `${n}`, bytes: text }))));
    const { summary, lines } = await importFolder(folder, { limits: { ...defaultExpansionLimits, maxMembers: 20 } });
    expect(summary.counts).toMatchObject({ 'not-dicom': 20, refused: 1 });
    expect(lines.get('many.zip')?.reason).toMatch(/more than 20 members/);
  });

  test('into more members than their size can hold are refused, and names that no file has are shortened', async () => {
    const names = Array.from({ length: 400 }, (_, n) => `${'x'.repeat(20_000)}${n}.dcm`);
    await folder.write('names.tgz', gzipSync(await tar(names.map((name) => ({ name, bytes: Buffer.alloc(0) })))));
    await folder.write('good.dcm', first.bytes);
    const limits = { ...defaultExpansionLimits, floorMembers: 50, bytesPerMember: 10_000 };
    const { summary, lines } = await importFolder(folder, { limits });
    expect(summary.counts).toMatchObject({ stored: 1, refused: 51 });
    expect(lines.get('names.tgz')?.reason).toMatch(/more than 50 members/);
    const longest = Math.max(...[...lines.keys()].map(({ length }) => length));
    expect(longest).toBeGreaterThan(1024);
    expect(longest).toBeLessThan(1200);
    // What stands at the end of a name says what the file should be.
    expect([...lines.keys()].filter((path) => path.endsWith('.dcm'))).toHaveLength(51);
  });

  test('a zip whose members are all the same bytes is refused before it unfolds', async () => {
    await folder.write('overlap.zip', overlappingZip(first.bytes, 3000));
    await folder.write('good.dcm', second.bytes);
    const { summary, lines, target } = await importFolder(folder);
    expect(lines.get('overlap.zip')).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/overlap/) });
    expect(target.instances.has(second.id)).toBe(true);
    expect(summary.counts).toMatchObject({ refused: 1 });
    // The names in the table of contents leave room for a few more than one.
    expect(lines.size).toBeLessThanOrEqual(2 + 1 + Math.ceil((3000 * 8) / 1000));
  });

  test('that contain themselves end', async () => {
    const zeros = Buffer.alloc(2 * 1024 * 1024);
    let nested: Buffer = gzipSync(zeros);
    for (let level = 0; level < 3; level += 1) {
      nested = zip(Array.from({ length: 10 }, (_, n) => ({ name: `${n}`, bytes: nested, stored: true })));
    }
    await folder.write('42.zip', nested);
    const before = process.memoryUsage().rss;
    const { summary } = await importFolder(folder, { limits: { ...defaultExpansionLimits, maxMembers: 300 } });
    expect(summary.counts.stored).toBe(0);
    expect(summary.counts.refused).toBeGreaterThan(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
  });
});

describe('a folder', () => {
  test('with broken, looping and crossing links is walked once', async () => {
    await folder.write('a/1.dcm', first.bytes);
    await symlink(join(folder.path, 'nowhere'), join(folder.path, 'broken'));
    await symlink(join(folder.path, 'loop'), join(folder.path, 'loop'));
    await symlink(folder.path, join(folder.path, 'a/up'));
    await symlink(join(folder.path, 'a'), join(folder.path, 'again'));
    await symlink(join(folder.path, 'a/1.dcm'), join(folder.path, 'file'));
    const { summary, lines } = await importFolder(folder);
    expect(lines.get('broken')).toMatchObject({ outcome: 'not-dicom', what: 'link that leads nowhere' });
    expect(lines.get('loop')).toMatchObject({ outcome: 'refused' });
    expect(summary.counts).toMatchObject({ stored: 1, 'already-there': 1, 'not-dicom': 1, refused: 1 });
  });

  test('with what a killed restore left unfinished is imported without it', async () => {
    await folder.write('1.dcm', first.bytes);
    const unfinished = `.tmp/123-${randomUUID()}`;
    await folder.write(unfinished, first.bytes.subarray(0, -100));
    const { summary, lines } = await importFolder(folder);
    expect(lines.get(unfinished)).toMatchObject({ outcome: 'not-dicom', what: expect.stringMatching(/^unfinished/) });
    expect(summary.counts).toMatchObject({ stored: 1, 'not-dicom': 1, refused: 0 });
  });

  test('with names that are not UTF-8 is imported, and they are reported byte by byte', async () => {
    const name = Buffer.from('Mu\u0308ller\xfc.dcm', 'latin1');
    await writeFile(Buffer.concat([Buffer.from(`${folder.path}/`), name]), first.bytes);
    const { lines, target } = await importFolder(folder);
    expect(target.instances.has(first.id)).toBe(true);
    const [line] = lines.values();
    expect(Buffer.from(line?.pathBase64 ?? '', 'base64').subarray(-name.length)).toEqual(name);
  });

  test('with pipes and sockets does not wait for them', async () => {
    spawnSync('mkfifo', [join(folder.path, 'pipe')]);
    await folder.write('1.dcm', first.bytes);
    const { lines, summary } = await importFolder(folder);
    expect(lines.get('pipe')?.outcome).toBe('not-dicom');
    expect(summary.counts.stored).toBe(1);
  });

  test('with damaged files names each with its reason', async () => {
    await folder.write('empty.dcm', new Uint8Array());
    await folder.write('zeros.dcm', new Uint8Array(2000));
    await folder.write('cut.dcm', first.bytes);
    await truncate(join(folder.path, 'cut.dcm'), 4000);
    await folder.write('tail.dcm', Buffer.concat([first.bytes, Buffer.from('junk')]));
    await folder.write('notes.txt', text);
    await folder.write('empty', new Uint8Array());
    await folder.write('good', second.bytes);
    const { lines, summary, target } = await importFolder(folder);
    expect([...target.instances.keys()]).toEqual([second.id]);
    expect(lines.get('empty.dcm')?.reason).toMatch(/empty file/);
    expect(lines.get('zeros.dcm')?.reason).toMatch(/zeros/);
    expect(lines.get('cut.dcm')?.reason).toMatch(/cut/);
    expect(lines.get('tail.dcm')?.reason).toMatch(/bytes were added/);
    expect(lines.get('notes.txt')).toMatchObject({ outcome: 'not-dicom', what: 'text' });
    expect(lines.get('empty')).toMatchObject({ outcome: 'not-dicom', what: 'empty file' });
    expect(summary.counts).toMatchObject({ stored: 1, refused: 4, 'not-dicom': 2, failed: 0 });
  });
});

describe('importing again', () => {
  test('stores nothing twice, also of files with equal bytes', async () => {
    await folder.write('1.dcm', first.bytes);
    await folder.write('copy/1.dcm', first.bytes);
    const once = await importFolder(folder);
    expect(once.summary.counts).toMatchObject({ stored: 1, 'already-there': 1 });
    const again = await importFolder(folder, { destinations: [{ role: 'target', store: once.target }] });
    expect(again.summary.counts).toMatchObject({ stored: 0, 'already-there': 2 });
  });

  test('asks before it sends only as long as that is worth it', async () => {
    for (let n = 0; n < 100; n += 1) await folder.write(`${n}.dcm`, instance(100 + n).bytes);
    const { target } = await importFolder(folder);
    expect(target.calls.store).toBe(100);
    expect(target.calls.lookup).toBeLessThan(60);
    await importFolder(folder, { destinations: [{ role: 'target', store: target }] });
    expect(target.calls.store).toBe(100);
  });

  test('a dry run tells what would be stored and stores nothing', async () => {
    await folder.write('1.dcm', first.bytes);
    const { summary, target } = await importFolder(folder, { dryRun: true });
    expect(summary.counts).toMatchObject({ 'would-store': 1, stored: 0 });
    expect(target.instances.size).toBe(0);
  });

  test('other bytes under the same id are refused as a conflict', async () => {
    await folder.write('1.dcm', first.bytes);
    const { target } = await importFolder(folder);
    const other = Buffer.from(first.bytes);
    other.writeUInt8(other.readUInt8(other.length - 1) ^ 1, other.length - 1);
    await folder.write('1.dcm', other);
    const { lines } = await importFolder(folder, { destinations: [{ role: 'target', store: target }] });
    expect(lines.get('1.dcm')).toMatchObject({ outcome: 'refused', code: 'conflict' });
  });
});
