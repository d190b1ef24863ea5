import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BackupKeys, decrypt, encrypt, Keyring, readPassphrase } from '../../core/host/backup/backup-secrets.ts';
import { passphrases } from '../support/quick-passphrases.ts';

let folder: string;
let keys: BackupKeys;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'host-secrets-'));
  keys = await new Keyring('correct horse battery staple').newKeys();
});
afterAll(() => rmSync(folder, { recursive: true }));

function passphrase(text: string): string {
  const path = join(folder, 'passphrase');
  writeFileSync(path, text);
  return path;
}

describe('a passphrase', () => {
  it('is taken without the white space at its end', async () => {
    expect(await readPassphrase(passphrase('correct horse battery \n\n'))).toEqual({
      text: 'correct horse battery',
      risk: undefined,
    });
  });

  it('of fewer than 8 characters is refused, counted as people count', async () => {
    for (const text of ['', 'seven77', '🐎🐎🐎🐎🐎🐎🐎']) {
      await expect(readPassphrase(passphrase(text))).rejects.toMatchObject({ code: 'configuration' });
    }
  });

  it('of fewer than 12 characters is taken with a warning that names the risk', async () => {
    const { risk } = await readPassphrase(passphrase('eleven char'));
    expect(risk).toMatch(/11 characters.*try them all.*forge backups.*at least 12/);
    expect((await readPassphrase(passphrase('twelve chars'))).risk).toBeUndefined();
  });
});

describe('what is encrypted', () => {
  const bytes = Buffer.from('{"Password": "secret"}');

  it('is read back under its own path', () => {
    expect(decrypt(keys, '/etc/a.json', encrypt(keys, '/etc/a.json', bytes))).toEqual(bytes);
  });

  it('is refused under any other path, so that two files cannot be exchanged', () => {
    const encrypted = encrypt(keys, '/etc/a.json', bytes);
    expect(() => decrypt(keys, '/etc/b.json', encrypted)).toThrow(expect.objectContaining({ code: 'not-authentic' }));
  });

  it('is refused when a bit of it was changed, or it was cut', () => {
    const encrypted = encrypt(keys, '/etc/a.json', bytes);
    for (let at = 0; at < encrypted.length; at += 1) {
      const changed = Buffer.from(encrypted);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => decrypt(keys, '/etc/a.json', changed)).toThrow(expect.objectContaining({ code: 'not-authentic' }));
      const cut = encrypted.subarray(0, at);
      expect(() => decrypt(keys, '/etc/a.json', cut)).toThrow(expect.objectContaining({ code: 'not-authentic' }));
    }
  });

  it('has a key of its own: that of authentication does not open it', () => {
    expect(keys.encryption.equals(keys.authentication)).toBe(false);
  });
});

describe('a keyring', () => {
  it('derives what docs/host-backups.md says, as another program does', async () => {
    passphrases.areQuick = false;
    onTestFinished(() => {
      passphrases.areQuick = true;
    });
    const derived = await new Keyring('correct horse battery staple').keysOf(Buffer.alloc(16, 7));
    // Of Python: hashlib.scrypt(…, n=2**17, r=8, p=1, dklen=32), and of that two keys by HKDF with SHA-256 (RFC 5869).
    expect(derived?.encryption.toString('hex')).toBe(
      '785ae5cc96dff032366888e0734172afab103a4e62975dc92e9b70e4221510ad',
    );
    expect(derived?.authentication.toString('hex')).toBe(
      '4ed0a7467b4b4e70eda0c4f63f02c18be711d80a78e45a13685babfa3c882189',
    );
  });

  it('gives the same keys for the same salt, and others for another', async () => {
    const again = await new Keyring('correct horse battery staple').keysOf(keys.salt);
    expect(again).toEqual(keys);
    const other = await new Keyring('correct horse battery stapler').keysOf(keys.salt);
    expect(other?.authentication.equals(keys.authentication)).toBe(false);
  });

  it('derives no more keys than a few, however many salts somebody writes', async () => {
    const keyring = new Keyring('correct horse battery staple');
    await keyring.newKeys();
    const salts = Array.from({ length: 100 }, (_, n) => Buffer.alloc(16, n));
    const derived = await Promise.all(salts.map((salt) => keyring.keysOf(salt)));
    expect(derived.filter((found) => found !== undefined)).toHaveLength(7);
    // Those that it has are still given.
    expect(await keyring.keysOf(Buffer.alloc(16, 0))).toBeDefined();
  });

  it('gives none for a salt of another length', async () => {
    expect(await new Keyring('correct horse battery staple').keysOf(Buffer.alloc(2 ** 20))).toBeUndefined();
  });
});
