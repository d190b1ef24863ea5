/**
 * Proves that several places hold the same instances, byte for byte, by downloading and hashing every file of each.
 * Shares no code with the product on purpose: a defect there cannot hide itself here.
 *
 *     node local/prove.ts PLACE PLACE… [--endpoint URL]
 *
 * PLACE is the URL of an Orthanc server, `s3://bucket/prefix` or the folder of an archive. Exit code 0 if all hold the
 * same, 1 if not.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';

/** A file that was read to its end. */
interface HashedFile {
  readonly id: string;
  readonly md5: string;
  readonly sizeBytes: number;
  /** The MD5 that an archive promises by the name of the file. */
  readonly namedMd5?: string;
}

/** One place to read: how it is called in the table, and all its files. */
export interface ProvenPlace {
  readonly name: string;
  files(): AsyncIterable<HashedFile>;
}

/** What one place holds. `digest` is the same for two places exactly if they hold the same ids with the same bytes. */
export interface PlaceTotals {
  readonly name: string;
  readonly instances: number;
  readonly bytes: number;
  readonly digest: string;
  /** Files of an archive whose bytes are not what their name promises. */
  readonly misnamed: number;
}

export interface Proof {
  readonly equal: boolean;
  readonly places: readonly PlaceTotals[];
  /** `id md5` of every file that some place lacks, with the names of the places that lack it. */
  readonly differences: readonly { readonly file: string; readonly missingIn: readonly string[] }[];
}

/** Reads every file of every place and compares. Places that all hold nothing prove nothing: not equal. */
export async function prove(places: readonly ProvenPlace[]): Promise<Proof> {
  const held = await Promise.all(places.map(readPlace));
  const all = new Set(held.flatMap(({ files }) => [...files.keys()]));
  const differences = [...all].sort().flatMap((file) => {
    const missingIn = held.filter(({ files }) => !files.has(file)).map(({ name }) => name);
    return missingIn.length === 0 ? [] : [{ file, missingIn }];
  });
  const sound = held.every(({ misnamed }) => misnamed === 0);
  return { equal: differences.length === 0 && all.size > 0 && sound, places: held.map(totalsOf), differences };
}

interface ReadPlace {
  readonly name: string;
  /** `id md5` to size. */
  readonly files: ReadonlyMap<string, number>;
  readonly misnamed: number;
}

async function readPlace(place: ProvenPlace): Promise<ReadPlace> {
  const files = new Map<string, number>();
  let misnamed = 0;
  for await (const { id, md5, sizeBytes, namedMd5 = md5 } of place.files()) {
    files.set(`${id} ${md5}`, sizeBytes);
    if (namedMd5 !== md5) misnamed += 1;
  }
  return { name: place.name, files, misnamed };
}

function totalsOf({ name, files, misnamed }: ReadPlace): PlaceTotals {
  const lines = [...files.keys()].sort().join('\n');
  return {
    name,
    instances: files.size,
    bytes: [...files.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    digest: createHash('sha256').update(lines).digest('hex').slice(0, 16),
    misnamed,
  };
}

/** Every instance of an Orthanc server, over its REST API. A user name and password in the URL are used. */
export function orthancPlace(name: string, address: string): ProvenPlace {
  const url = new URL(address.endsWith('/') ? address : `${address}/`);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = username === '' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  const get = async (path: string) => {
    const response = await fetch(new URL(path, url), { headers });
    if (!response.ok || response.body === null) throw new Error(`${name} answered ${response.status} to ${path}`);
    return response.body;
  };
  return {
    name,
    async *files() {
      const ids: unknown = await new Response(await get('instances')).json();
      if (!Array.isArray(ids)) throw new Error(`${name} did not list its instances`);
      for (const id of ids.map(String)) yield { id, ...(await hash(await get(`instances/${id}/file`))) };
    },
  };
}

/** Every instance of an archive in a folder. */
export function folderPlace(name: string, folder: string): ProvenPlace {
  return {
    name,
    async *files() {
      const root = join(folder, 'instances');
      for (const path of await readdir(root, { recursive: true })) {
        if (path.endsWith('.dcm')) yield { ...inKey(path), ...(await hash(createReadStream(join(root, path)))) };
      }
    },
  };
}

/** Every instance of an archive in a bucket. `prefix` is empty or ends with a slash. */
export function bucketPlace(name: string, client: S3Client, bucket: string, prefix: string): ProvenPlace {
  return {
    name,
    async *files() {
      const listing = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: `${prefix}instances/` });
      for await (const page of listing) {
        for (const { Key = '' } of page.Contents ?? []) {
          const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
          if (!(Body instanceof Readable)) throw new Error(`${name} gave no body for an object that it listed`);
          yield { ...inKey(Key), ...(await hash(Body)) };
        }
      }
    },
  };
}

/** What `…/<id>/<md5>.dcm` promises. */
function inKey(key: string): { id: string; namedMd5: string } {
  const [id = '', file = ''] = key.split('/').slice(-2);
  return { id, namedMd5: file.replace(/\.dcm$/, '') };
}

async function hash(chunks: AsyncIterable<Uint8Array>): Promise<{ md5: string; sizeBytes: number }> {
  const md5 = createHash('md5');
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    md5.update(chunk);
    sizeBytes += chunk.byteLength;
  }
  return { md5: md5.digest('hex'), sizeBytes };
}

/** The proof as a table, with at most ten differences below it. */
export function proofTable({ places, differences }: Proof): string {
  const rows = [
    ['place', 'instances', 'bytes', 'digest of ids and hashes'],
    ...places.map(({ name, instances, bytes, digest }) => [name, String(instances), String(bytes), digest]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const missing = differences.slice(0, 10).map(({ file, missingIn }) => `${file} is not in ${missingIn.join(', ')}`);
  const more = differences.length > 10 ? [`… and ${differences.length - 10} more`] : [];
  const wrong = places.flatMap(({ name, misnamed }) => (misnamed === 0 ? [] : [`${misnamed} damaged in ${name}`]));
  return [...lines, ...missing, ...more, ...wrong].join('\n');
}

function placeOf(text: string, endpoint: string | undefined): ProvenPlace {
  if (/^https?:/.test(text)) return orthancPlace(new URL(text).host, text);
  const bucket = /^s3:\/\/([^/]+)\/?(.*)$/.exec(text);
  if (bucket === null) return folderPlace(text, text);
  const [, name = '', prefix = ''] = bucket;
  const client = new S3Client(endpoint === undefined ? {} : { endpoint, forcePathStyle: true });
  return bucketPlace(text, client, name, prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`);
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { endpoint: { type: 'string' } } });
  const proof = await prove(positionals.map((text) => placeOf(text, values.endpoint)));
  console.log(proofTable(proof));
  console.log(proof.equal ? 'all hold the same bytes' : 'NOT THE SAME');
  process.exitCode = proof.equal ? 0 : 1;
}
