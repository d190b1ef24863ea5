/**
 * Fills the SQLite index of an Orthanc that was started once with any number of instances, of which there are no files: what
 * listings of a large server cost can be measured so in minutes. The tables are those of schema 6, from 1.9.1 to 1.13.0.
 */
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { type InstanceId, isInstanceId, type Md5, md5Of, orthancIdOf } from '../core/identifiers.ts';

/** Some CT studies of one series each. */
const instancesPerStudy = 500;
const sizeBytes = 524_288;

/** The n-th instance of a filled index. */
export function filledInstance(n: number): { readonly id: InstanceId; readonly md5: Md5; readonly sizeBytes: number } {
  const id = orthancIdOf('filled', String(n));
  if (!isInstanceId(id)) throw new RangeError('an id has another form');
  return { id, md5: md5Of(Buffer.from(`filled ${n}`)), sizeBytes };
}

/** @param path of the file `index` in the storage of a server that does not run and holds nothing */
export function fillIndex(path: string, instances: number): void {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN');
  const rows = new IndexRows(database);
  for (let n = 0; n < instances; n += 1) {
    if (n % instancesPerStudy === 0) rows.beginStudy(n / instancesPerStudy);
    rows.addInstance(n);
  }
  database.exec('COMMIT');
  database.close();
}

class IndexRows {
  readonly #resource;
  readonly #tag;
  readonly #identifier;
  readonly #file;
  readonly #metadata;
  readonly #change;
  #series: number | bigint = 0;

  constructor(database: DatabaseSync) {
    this.#resource = database.prepare('INSERT INTO Resources(resourceType, publicId, parentId) VALUES (?, ?, ?)');
    this.#tag = database.prepare('INSERT INTO MainDicomTags VALUES (?, ?, ?, ?)');
    this.#identifier = database.prepare('INSERT INTO DicomIdentifiers VALUES (?, ?, ?, ?)');
    this.#file = database.prepare(
      'INSERT INTO AttachedFiles(id, fileType, uuid, compressedSize, uncompressedSize, compressionType, uncompressedMD5,' +
        ' compressedMD5) VALUES (?, 1, ?, ?, ?, 1, ?, ?)',
    );
    this.#metadata = database.prepare('INSERT INTO Metadata(id, type, value) VALUES (?, ?, ?)');
    this.#change = database.prepare(
      "INSERT INTO Changes(changeType, internalId, resourceType, date) VALUES (?, ?, ?, '20261121T000000')",
    );
  }

  beginStudy(n: number): void {
    const patient = this.#add(1, orthancIdOf(`patient ${n}`), null, 3);
    this.#identify(patient, 0x10, 0x20, `PATIENT${n}`);
    const study = this.#add(2, orthancIdOf(`patient ${n}`, 'study'), patient, 5);
    this.#identify(study, 0x20, 0x0d, `2.25.${n}`);
    this.#series = this.#add(3, orthancIdOf(`patient ${n}`, 'study', 'series'), study, 4);
    this.#identify(this.#series, 0x20, 0x0e, `2.25.${n}.1`);
    for (const id of [patient, study, this.#series]) this.#metadata.run(id, 7, '20261121T000000');
  }

  addInstance(n: number): void {
    const { id: publicId, md5 } = filledInstance(n);
    const id = this.#add(4, publicId, this.#series, 2);
    this.#identify(id, 0x08, 0x18, `2.25.${n}.2`);
    this.#tag.run(id, 0x20, 0x13, String(n % instancesPerStudy));
    this.#file.run(id, uuidOf(n), sizeBytes, sizeBytes, md5, md5);
    const metadata = [
      '1',
      '20261121T000000',
      '',
      undefined,
      undefined,
      undefined,
      undefined,
      'RestApi',
      '1.2.840.10008.1.2.1',
    ];
    for (const [index, value] of metadata.entries()) if (value !== undefined) this.#metadata.run(id, index + 1, value);
  }

  #add(type: number, publicId: string, parent: number | bigint | null, changeType: number): number | bigint {
    const { lastInsertRowid } = this.#resource.run(type, publicId, parent);
    this.#change.run(changeType, lastInsertRowid, type);
    return lastInsertRowid;
  }

  #identify(id: number | bigint, group: number, element: number, value: string): void {
    this.#tag.run(id, group, element, value);
    this.#identifier.run(id, group, element, value);
  }
}

function uuidOf(n: number): string {
  const hex = createHash('md5').update(`file ${n}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
