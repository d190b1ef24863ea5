import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openArchiveAs, openExistingArchive } from '../../core/config/open-archive.ts';
import { md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { Archive } from '../../core/stores/archive/archive.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'open-archive-'));
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'nobody').stubEnv('AWS_SECRET_ACCESS_KEY', 'nothing');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

const bytes = Buffer.from('an instance');
const instance = { id: orthancIdOf('p', 's', 'e', 'i'), md5: md5Of(bytes), sizeBytes: bytes.length };
const asking = () => vi.fn(async () => ({ name: 'hospital' }));

describe('a place without an archive', () => {
  test('becomes the archive of the source, which is asked once', async () => {
    const findSource = asking();
    const options = { absent: 'create', outOfReach: 'throw' } as const;
    const made = await openArchiveAs({ folder: root }, findSource, options);
    const again = await openArchiveAs({ folder: root }, findSource, options);
    expect(findSource).toHaveBeenCalledTimes(1);
    for (const archive of [made, again]) {
      expect(archive instanceof Archive && archive.manifest.source).toMatchObject({ name: 'hospital' });
      await archive.close();
    }
  });

  test('counts as an empty one that takes nothing, and stays without', async () => {
    const findSource = asking();
    const empty = await openArchiveAs({ folder: root }, findSource, { absent: 'empty', outOfReach: 'fail' });
    expect(await Array.fromAsync(empty.inventory())).toEqual([]);
    await expect(empty.store(instance, bytes)).rejects.toMatchObject({ code: 'read-only' });
    expect(findSource).not.toHaveBeenCalled();
    await expect(openExistingArchive({ folder: root })).rejects.toMatchObject({ code: 'archive-format' });
  });
});

describe('an archive that is out of reach', () => {
  const away = { bucket: 'archive', prefix: '', endpoint: 'http://127.0.0.1:9', region: 'us-east-1' };

  test('is an error where nothing else can be served', async () => {
    const opening = openArchiveAs(away, asking(), { absent: 'create', outOfReach: 'throw' });
    await expect(opening).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('fails each call where others can be served', async () => {
    const failing = await openArchiveAs(away, asking(), { absent: 'create', outOfReach: 'fail' });
    await expect(failing.lookup(instance.id)).rejects.toMatchObject({ code: 'unreachable' });
    await expect(failing.store(instance, bytes)).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('is opened later where somebody waits for it', async () => {
    const later = await openArchiveAs(away, asking(), { absent: 'create', outOfReach: 'open-later' });
    expect(later instanceof Archive && later.isOpen).toBe(false);
    await later.close();
  });
});

test('a configuration that names no bucket is told so', async () => {
  await expect(openExistingArchive({ prefix: 'a/' })).rejects.toMatchObject({ code: 'configuration' });
});
