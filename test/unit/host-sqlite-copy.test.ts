import { mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyLiveIndex, copyRecovered } from '../../core/orthanc-disk/index/sqlite-copy.ts';
import { openUnused } from '../../core/orthanc-disk/index/sqlite-database.ts';
import { interruptTransaction } from '../support/interrupt-transaction.ts';

/** Several chunks of a reading. */
const indexBytes = 4 * 1024 * 1024;

let root: string;
let index: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sqlite-copy-'));
  index = join(root, 'index');
  writeFileSync(index, '');
  truncateSync(index, indexBytes);
  mkdirSync(join(root, 'copy'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Writes the same number at the beginning and at the end of a file, again and again, until it is told to stop. */
async function keepWriting(path: string, stopped: () => boolean): Promise<void> {
  const file = openSync(path, 'r+');
  for (let n = 1; !stopped(); n += 1) {
    const number = Buffer.from(String(n).padStart(16));
    writeSync(file, number, 0, 16, 0);
    writeSync(file, number, 0, 16, indexBytes - 16);
    await setImmediate();
  }
}

describe('the copy of an index that is in use', () => {
  it('is refused if the index changes while it is read, each time it is tried', async () => {
    let isOver = false;
    const writing = keepWriting(index, () => isOver);
    await expect(copyLiveIndex(index, join(root, 'copy'), { tries: 2 })).rejects.toMatchObject({
      code: 'changed-meanwhile',
    });
    isOver = true;
    await writing;
  });

  it('is refused if its log changes while it is read', async () => {
    const log = `${index}-wal`;
    writeFileSync(log, '');
    truncateSync(log, indexBytes);
    let isOver = false;
    const writing = keepWriting(log, () => isOver);
    await expect(copyLiveIndex(index, join(root, 'copy'), { tries: 2 })).rejects.toMatchObject({
      code: 'changed-meanwhile',
    });
    isOver = true;
    await writing;
  });

  it('is of one moment as soon as there is one', async () => {
    let isOver = false;
    const writing = keepWriting(index, () => isOver);
    const copying = copyLiveIndex(index, join(root, 'copy'));
    await setImmediate();
    isOver = true;
    await writing;
    const copy = await readFile(await copying);
    expect(copy.subarray(0, 16)).toEqual(copy.subarray(-16));
    expect(copy).toEqual(await readFile(index));
  });

  it('is refused if its journal changes while it is read', async () => {
    const journal = `${index}-journal`;
    writeFileSync(journal, '');
    truncateSync(journal, indexBytes);
    let isOver = false;
    const writing = keepWriting(journal, () => isOver);
    await expect(copyLiveIndex(index, join(root, 'copy'), { tries: 2 })).rejects.toMatchObject({
      code: 'changed-meanwhile',
    });
    isOver = true;
    await writing;
  });

  it('has nothing of a transaction that was never finished', async () => {
    const [written, torn] = [join(root, 'written'), join(root, 'torn')];
    const database = new DatabaseSync(written);
    database.exec("CREATE TABLE Resources(publicId TEXT); INSERT INTO Resources VALUES ('whole')");
    database.close();
    interruptTransaction(written, torn, "UPDATE Resources SET publicId = 'torn'");
    const copy = openUnused(await copyRecovered(torn, join(root, 'copy')));
    expect(copy.prepare('SELECT publicId AS id FROM Resources').all()).toEqual([{ id: 'whole' }]);
    copy.close();
  });

  it('may miss what its log got at the end: that is a later commit', async () => {
    writeFileSync(`${index}-wal`, 'first');
    const copy = await copyLiveIndex(index, join(root, 'copy'));
    expect(await readFile(`${copy}-wal`, 'utf8')).toBe('first');
  });
});
