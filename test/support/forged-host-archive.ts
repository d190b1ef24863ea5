/** The backups of one host as somebody sees and changes them who may write to the archive, but has no passphrase. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import { type BackupDocument, type BackupManifest, manifestSchema } from '../../core/host/backup/manifest.ts';

/** A line of a list of files, or a header: anything may stand there. */
export type Fields = Readonly<Record<string, unknown>>;
const fields = z.record(z.string(), z.unknown());

/** The backups of one host, as files. */
export class HostArchive {
  readonly #host: string;
  /** A folder that the forger wants something written to. */
  readonly victim: string;

  /** @param host the folder `host-backups/<host>` */
  constructor(host: string, victim: string) {
    this.#host = host;
    this.victim = victim;
  }

  /** Names of the backups, oldest first. */
  get ids(): readonly string[] {
    return readdirSync(join(this.#host, 'backups'))
      .map((name) => name.replace('.json', ''))
      .sort();
  }

  get newest(): string {
    return this.ids.at(-1) ?? '';
  }

  get oldest(): string {
    return this.ids[0] ?? '';
  }

  path(...names: readonly string[]): string {
    return join(this.#host, ...names);
  }

  manifestPath(id: string): string {
    return this.path('backups', `${id}.json`);
  }

  /** The first line of a manifest. */
  header(id = this.newest): Fields {
    return fields.parse(JSON.parse(this.#lines(id)[0] ?? ''));
  }

  /** The second line of a manifest as it was made. */
  manifest(id = this.newest): BackupManifest {
    return manifestSchema.parse(JSON.parse(this.#lines(id)[1] ?? ''));
  }

  write(id: string, header: unknown, body: unknown): void {
    const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
    writeFileSync(this.manifestPath(id), `${text(header)}\n${text(body)}\n`);
  }

  /** Changes fields of the newest manifest, by paths such as `storage.folders.0`; its salt and tag stay as they are. */
  set(changes: Fields): void {
    this.write(this.newest, this.header(), changed(this.manifest(), changes));
  }

  /** Stores bytes as a document of one piece. */
  document(bytes: Uint8Array): BackupDocument {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(this.path('blobs', sha256), bytes);
    return { sizeBytes: bytes.length, sha256, pieces: [{ sha256, sizeBytes: bytes.length }] };
  }

  bytesOf({ pieces }: BackupDocument): Buffer {
    return Buffer.concat(pieces.map(({ sha256 }) => readFileSync(this.path('blobs', sha256))));
  }

  /** Changes the list of files of the newest manifest, hashes and counts included. */
  changeList(change: (lines: readonly Fields[]) => readonly Fields[]): void {
    const text = gunzipSync(this.bytesOf(this.manifest().storage.list)).toString().trimEnd();
    const lines = change(text.split('\n').map((line) => fields.parse(JSON.parse(line))));
    const list = this.document(gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
    this.set({ 'storage.list': list, 'storage.files': lines.filter(({ sha256 }) => sha256 !== undefined).length });
  }

  /** Stores a file of the storage area. @returns what a line of a list says of it. */
  file(uuid: string, bytes: Uint8Array): Fields {
    const hash = (name: string) => createHash(name).update(bytes).digest('hex');
    const path = this.path('files', uuid, hash('sha256'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return { uuid, md5: hash('md5'), sha256: hash('sha256'), bytes: bytes.length };
  }

  /** The file of the storage area that comes first. */
  get firstFile(): string {
    const [uuid = ''] = readdirSync(this.path('files')).sort();
    return this.path('files', uuid, readdirSync(this.path('files', uuid))[0] ?? '');
  }

  /** Where it says who is at work. */
  get leasePath(): string {
    return this.path('..', '..', 'state', 'host-backups', `${basename(this.#host)}.json`);
  }

  /** The piece that holds the index of the newest backup. */
  get indexPiece(): string {
    return this.path('blobs', this.manifest().index.document.pieces[0]?.sha256 ?? '');
  }

  #lines(id: string): readonly string[] {
    return readFileSync(this.manifestPath(id), 'utf8').split('\n');
  }
}

/** A copy with other values under some paths; `undefined` takes a field away. */
export function changed(value: unknown, changes: Fields): unknown {
  const copy: unknown = structuredClone(value);
  for (const [path, wanted] of Object.entries(changes)) {
    const names = path.split('.');
    const last = names.pop() ?? '';
    const parent = names.reduce((at: unknown, name) => (isObject(at) ? at[name] : undefined), copy);
    if (isObject(parent)) parent[last] = wanted;
  }
  return copy;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
