/**
 * What an archive answers, beside what Orthanc's own DICOMweb plugin answers of the same files: searches and metadata
 * field by field, files, frames and binary values byte by byte.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonDataSet } from '../../core/dicom/json-model.ts';
import { addDicomwebRoutes } from '../../core/open/dicomweb/routes.ts';
import { nodeCodecs } from '../../core/open/node-codecs.ts';
import { ArchiveReader } from '../../core/open/reader/archive-reader.ts';
import { valueText } from '../../core/open/reader/tag-text.ts';
import { codestreamSize } from '../../core/open/rendering/codestream.ts';
import { type DecodedFrame, decodeFrame } from '../../core/open/rendering/decode-frame.ts';
import { describeImage } from '../../core/open/rendering/image-description.ts';
import { renderFrame } from '../../core/open/rendering/render-frame.ts';
import { Routes } from '../../core/open/web/routes.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { ask, askJson } from '../support/open/ask.ts';
import {
  type AllowedDifference,
  allowedDifferences,
  allowedInSearches,
  hasPadding,
  type JsonDifference,
  jsonDifferences,
} from '../support/open/dicom-json-differences.ts';
import { partsOf } from '../support/open/multipart.ts';
import { randomSearch } from '../support/open/random-searches.ts';
import { type ServerUnderTest, startServer, temporaryArchive } from '../support/orthanc/study-fixture.ts';
import { backUp, uploadAccepted } from '../support/restore-scene.ts';
import { sampleFiles } from '../support/sample-files.ts';
import { randomOf } from '../support/seeded-random.ts';

const searches = 200;
/** Without a transfer syntax the plugin takes the pixels out of their compression. */
const asStored = 'multipart/related; type="application/dicom"; transfer-syntax=*';

const cleanup = new AsyncDisposableStack();
let orthanc: ServerUnderTest;
let routes: Routes;
/** Metadata of every instance, as we tell them, and as the plugin does, by its address. */
let headers: readonly JsonDataSet[];
const pluginHeaders = new Map<string, JsonDataSet>();
const differences: string[] = [];
const counts = new Map<string, number>();

beforeAll(async () => {
  const { bin, version } = newOrthanc();
  const plugin = join(bin, '../usr/share/orthanc/plugins/libOrthancDicomWeb.so');
  if (!existsSync(plugin)) throw new Error(`there is no ${plugin}: run scripts/setup.sh --test`);
  orthanc = await startServer(version, { DicomWeb: { EnableMetadataCache: false } }, [plugin]);
  cleanup.defer(() => orthanc.stop());
  await uploadAccepted(orthanc, await sampleFiles('differential'));
  const temporary = await temporaryArchive();
  cleanup.defer(() => temporary.remove());
  const { archive } = temporary;
  await backUp(orthanc, archive);
  const reader = new ArchiveReader(archive);
  cleanup.defer(() => reader.close());
  routes = addDicomwebRoutes(new Routes(), reader, renderFrame);
  await reader.surveyed();
  const studies = await searched('/studies');
  const all = await Promise.all(studies.map((study) => askJson(routes, `${addressOf(study)}/metadata`)));
  headers = all.flat() as JsonDataSet[];
  for (const address of headers.map(instanceAddress)) {
    const [header] = await pluginJson(`${address}/metadata`);
    if (header !== undefined) pluginHeaders.set(address, header);
  }
});

afterAll(async () => {
  console.info([...counts].map(([what, count]) => `${what}: ${count}`).join('\n'));
  await cleanup.disposeAsync();
});

test('answers searches as the plugin does', async () => {
  const random = randomOf('searches beside the plugin');
  // Padding at the end of a value means nothing to us, and something to the plugin.
  const findable = headers.filter((header) => !hasPadding(pluginHeaders.get(instanceAddress(header)) ?? {}));
  for (let count = 0; count < searches; count += 1) {
    const search = randomSearch(random, findable);
    const theirs = await pluginJson(search);
    compareMatches(search, await searched(search), theirs);
  }
  expectNoDifferences();
});

test('answers with pages that together are the whole', async () => {
  for (const level of ['studies', 'series', 'instances']) {
    const whole = (await searched(`/${level}`)).map(addressOf);
    const pages: string[] = [];
    for (let offset = 0; offset < whole.length; offset += 7) {
      pages.push(...(await searched(`/${level}?limit=7&offset=${offset}`)).map(addressOf));
    }
    expect(pages).toEqual(whole);
  }
});

test('tells the metadata that the plugin tells', async () => {
  for (const ours of headers) {
    const address = instanceAddress(ours);
    const theirs = pluginHeaders.get(address);
    if (theirs === undefined) throw new Error(`the plugin does not know ${address}`);
    compare(address, ours, theirs, allowedDifferences);
    counted('metadata');
  }
  expectNoDifferences();
});

test('gives the files, frames and binary values that the plugin gives, byte by byte', async () => {
  for (const header of headers) {
    const address = instanceAddress(header);
    await compareBytes(address, asStored, 'instances');
    if (hasPixels(header)) {
      await compareBytes(
        `${address}/frames/1`,
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        'frames',
      );
    }
    for (const path of bulkPaths(header)) await compareBytes(`${address}/bulk/${path}`, '*/*', 'binary values');
  }
  expectNoDifferences();
});

test('gives whole series and studies as the plugin does', async () => {
  const random = randomOf('series and studies beside the plugin');
  for (let count = 0; count < 12; count += 1) {
    const header = random.pick(headers);
    const study = `/studies/${uid(header, '0020000D')}`;
    const address = random.chance(0.5) ? study : `${study}/series/${uid(header, '0020000E')}`;
    await compareBytes(address, asStored, 'series and studies');
  }
  expectNoDifferences();
});

test('takes compressed frames apart as the plugin does', async () => {
  for (const header of headers.filter(hasPixels)) {
    const address = `${instanceAddress(header)}/frames/1`;
    const stored = await ask(routes, `/dicom-web${address}`, { accept: asFrames('*') });
    const [part] = stored.status === 200 ? partsOf(stored.headers['content-type'] ?? '', stored.bytes) : [];
    const transferSyntax = /transfer-syntax=([\d.]+)/.exec(part?.headers['content-type'] ?? '')?.[1] ?? '';
    const description = describeImage(header, transferSyntax);
    if (part === undefined || description === undefined || !compressed.test(transferSyntax)) continue;
    const answered = await fetch(`${orthanc.url}/dicom-web${address}`, { headers: { accept: asFrames() } });
    const answer = Buffer.from(await answered.arrayBuffer());
    if (!answered.ok) continue;
    const [theirs] = partsOf(answered.headers.get('content-type') ?? '', answer);
    // Of JPEG there is no codec for 12 bits that is well kept.
    if (codestreamSize(part.bytes)?.bits === 12 && transferSyntax.endsWith('.51')) continue;
    const ours = await decodeFrame(description, part.bytes, nodeCodecs).catch((error: Error) => error);
    if (ours instanceof Error) note(address, `${transferSyntax}: ${ours.message}`);
    else note(address, differenceOf(transferSyntax, ours, theirs?.bytes ?? Buffer.alloc(0)));
    counted('decoded frames');
  }
  expectNoDifferences();
});

test('shows what the plugin shows', async () => {
  for (const header of headers.filter(hasPixels)) {
    const address = `${instanceAddress(header)}/rendered`;
    const answered = await fetch(`${orthanc.url}/dicom-web${address}`, { headers: { accept: 'image/png' } });
    const theirs = Buffer.from(await answered.arrayBuffer());
    if (!answered.ok) continue;
    const ours = await ask(routes, `/dicom-web${address}`, { accept: 'image/png' });
    if (ours.bytes.toString().startsWith('JPEG of 12 bits')) continue;
    if (ours.status !== 200) note(address, `we answer ${ours.status}, the plugin shows it: ${ours.bytes.toString()}`);
    // Both are PNG, which begins with its size.
    else if (!ours.bytes.subarray(16, 24).equals(theirs.subarray(16, 24)))
      note(address, 'the picture has another size');
    counted('pictures');
  }
  expectNoDifferences();
});

test('compares at least 300 answers', () => {
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(300);
});

const compressed = /^1\.2\.840\.10008\.1\.2\.(?:4|5)/;
/** Codecs may differ in the last bits of what was compressed with loss; of JPEG 2000 in more. */
const lossless = /\.(?:57|70|80|90|201|5)$/;

function asFrames(transferSyntax?: string): string {
  const type = 'multipart/related; type="application/octet-stream"';
  return transferSyntax === undefined ? type : `${type}; transfer-syntax=${transferSyntax}`;
}

function differenceOf(transferSyntax: string, { samples }: DecodedFrame, theirs: Buffer): string | undefined {
  const size = samples.BYTES_PER_ELEMENT;
  const read = (index: number) =>
    (size === 1 ? theirs[index] : size === 2 ? theirs.readUInt16LE(2 * index) : theirs.readUInt32LE(4 * index)) ?? 0;
  if (Math.floor(theirs.length / size) < samples.length)
    return `${samples.length} samples of ${size} bytes, the plugin has ${theirs.length} bytes`;
  let most = 0;
  for (let index = 0; index < samples.length; index += 1) {
    const mask = size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    most = Math.max(most, Math.abs(((samples[index] ?? 0) & mask) - read(index)));
  }
  return most > (lossless.test(transferSyntax) ? 0 : 3)
    ? `${transferSyntax}: samples differ by up to ${most}`
    : undefined;
}

async function searched(search: string): Promise<readonly JsonDataSet[]> {
  return (await askJson(routes, `/dicom-web${search}`)) as JsonDataSet[];
}

async function pluginJson(path: string): Promise<readonly JsonDataSet[]> {
  const answer = await fetch(`${orthanc.url}/dicom-web${path}`);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the plugin answers ${path} with ${answer.status}: ${text}`);
  return JSON.parse(text) as JsonDataSet[];
}

function compareMatches(search: string, ours: readonly JsonDataSet[], theirs: readonly JsonDataSet[]): void {
  counted('searches');
  const [mine, other] = [byAddress(ours), byAddress(theirs)];
  for (const address of new Set([...mine.keys(), ...other.keys()])) {
    const [some, others] = [mine.get(address) ?? [], other.get(address) ?? []];
    if (others.length === 0 && isPadded(address)) counted('(meant) matches whose values have padding');
    else if (some.length !== others.length)
      note(search, `${address} is found ${some.length} times instead of ${others.length}`);
    else
      for (const [index, one] of some.entries())
        compare(`${search} ${address}`, one, others[index] ?? {}, allowedInSearches);
  }
}

/** Whether something at or below an address has values with padding, which the plugin compares as well. */
function isPadded(address: string): boolean {
  return [...pluginHeaders].some(
    ([instance, header]) => `/dicom-web${instance}`.startsWith(address) && hasPadding(header),
  );
}

/** Patients that share UIDs have the same addresses: their own ids tell them apart. */
function byAddress(matches: readonly JsonDataSet[]): ReadonlyMap<string, readonly JsonDataSet[]> {
  const patientOf = (match: JsonDataSet) => valueText(match['00100020'] ?? { vr: 'LO' });
  const sorted = matches.toSorted((a, b) => (patientOf(a) < patientOf(b) ? -1 : 1));
  return Map.groupBy(sorted, addressOf);
}

function compare(where: string, ours: JsonDataSet, theirs: JsonDataSet, allowed: readonly AllowedDifference[]): void {
  for (const difference of jsonDifferences(ours, theirs)) {
    const meant = allowed.find(({ holds }) => holds(difference));
    if (meant === undefined) note(where, describe(difference));
    else counts.set(`(meant) ${meant.reason}`, (counts.get(`(meant) ${meant.reason}`) ?? 0) + 1);
  }
}

function describe({ path, ours, theirs }: JsonDifference): string {
  return `${path}: ${JSON.stringify(ours)?.slice(0, 120)} instead of ${JSON.stringify(theirs)?.slice(0, 120)}`;
}

async function compareBytes(address: string, accept: string, what: string): Promise<void> {
  const answered = await fetch(`${orthanc.url}/dicom-web${address}`, { headers: { accept } });
  const theirBytes = Buffer.from(await answered.arrayBuffer());
  const ours = await ask(routes, `/dicom-web${address}`, { accept });
  if (!answered.ok) {
    counted(`(meant) ${what} that the plugin does not give`);
    return;
  }
  counted(what);
  if (ours.status !== 200) {
    note(address, `we answer ${ours.status}: ${ours.bytes.toString()}`);
    return;
  }
  const theirParts = partsOf(answered.headers.get('content-type') ?? '', theirBytes).map(({ bytes }) =>
    bytes.toString('hex'),
  );
  const ourParts = partsOf(ours.headers['content-type'] ?? '', ours.bytes).map(({ bytes }) => bytes.toString('hex'));
  if (JSON.stringify(theirParts.toSorted()) !== JSON.stringify(ourParts.toSorted())) {
    const sizes = [ourParts, theirParts].map((parts) => parts.map((part) => part.length / 2).join(' '));
    note(address, `other bytes: we give ${sizes.join(', the plugin ')}`);
  }
}

function bulkPaths(header: JsonDataSet): readonly string[] {
  return Object.entries(header)
    .filter(([tag, { BulkDataURI }]) => BulkDataURI !== undefined && tag !== '7FE00010')
    .map(([tag]) => tag.toLowerCase())
    .slice(0, 3);
}

function hasPixels(header: JsonDataSet): boolean {
  return header['7FE00010'] !== undefined && header['00280010'] !== undefined;
}

function instanceAddress(header: JsonDataSet): string {
  return `/studies/${uid(header, '0020000D')}/series/${uid(header, '0020000E')}/instances/${uid(header, '00080018')}`;
}

function addressOf(match: JsonDataSet): string {
  return new URL(valueText(match['00081190'] ?? { vr: 'UR' })).pathname;
}

function uid(header: JsonDataSet, tag: string): string {
  return valueText(header[tag] ?? { vr: 'UI' });
}

function counted(what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

function note(where: string, what: string | undefined): void {
  if (what !== undefined) differences.push(`${where}: ${what}`);
}

/** Tells the first ones only: there may be thousands of one kind. */
function expectNoDifferences(): void {
  const found = differences.splice(0);
  expect({ count: found.length, first: found.slice(0, 12) }).toEqual({ count: 0, first: [] });
}
