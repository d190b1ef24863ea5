/** JSON documents that are read back: of archives, of host backups, of queues, of functions, and of configurations. */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { z } from 'zod';
import { readCatalogue } from '../../../core/archive-life/catalogue/read-catalogue.ts';
import { missingSchema, nothingMissing } from '../../../core/archive-life/deletions/missing.ts';
import { partSize, RestoreJobs, restoreJobPartSchema } from '../../../core/archive-life/restore/restore-job.ts';
import { rotationSchema } from '../../../core/archive-life/verify/rotation.ts';
import { parseNotification } from '../../../core/cloud/inbox/notification.ts';
import { parseMessage } from '../../../core/cloud/queue/message.ts';
import { archiveCountSchema } from '../../../core/cloud/status/archive-count.ts';
import { statusSchema } from '../../../core/cloud/status/status-document.ts';
import { announcementsOf, maxBodyBytes, maxEvents, parseBody } from '../../../core/cloud/webhook/announcement.ts';
import { parseConfiguration } from '../../../core/config/load.ts';
import { readFileList, writeFileList } from '../../../core/host/backup/file-list.ts';
import { manifestSchema } from '../../../core/host/backup/manifest.ts';
import { openManifest, sealManifest } from '../../../core/host/backup/sealed-manifest.ts';
import { type InstanceId, isInstanceId, isOrthancId, md5Of, type OrthancId } from '../../../core/identifiers.ts';
import { jsonBoundsOf, parseJson } from '../../../core/json.ts';
import { pauseStateSchema } from '../../../core/mirror/pause/pause-state.ts';
import { progressBeside, storedProgressSchema } from '../../../core/mirror/progress.ts';
import { substituteVariables } from '../../../core/orthanc-disk/configuration/substitute-variables.ts';
import { readArchivedPatient, readArchivedStudy } from '../../../core/sidecars/archive-sidecar.ts';
import { canonical, contentHash } from '../../../core/sidecars/canonical-json.ts';
import { fingerprintOf } from '../../../core/sidecars/fingerprint.ts';
import { readRecord, recordBytes } from '../../../core/stores/archive/history-record.ts';
import { documentBytes, readDocument } from '../../../core/stores/archive/json-document.ts';
import type { HistoryRecord } from '../../../core/stores/archive/keys.ts';
import { Lease } from '../../../core/stores/archive/lease.ts';
import { readManifest } from '../../../core/stores/archive/manifest.ts';
import type { ObjectStorage, OpenObject } from '../../../core/stores/archive/object-storage.ts';
import { parseRelistEvent } from '../../../lambdas/inbox-relist.ts';
import { parseScheduleEvent } from '../../../lambdas/schedule-event.ts';
import { incomingOf } from '../../../lambdas/webhook-event.ts';
import { mutatedBytes, mutatedJson, mutatedTexts } from '../mutations.ts';
import { attempt, type FuzzTarget, inPieces, must, mustEqual, textOf } from '../target.ts';

const study = orthancId('da39a3ee-5e6b4b0d-3255bfef-95601890-afd80709');
const other = orthancId('86f7e437-faa5a7fc-e15d1ddc-b9eaeaea-377667b8');
const md5 = '0cc175b9c0f1b6a831c399e269772661';
const sha256 = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';
const at = '2026-11-21T03:02:01.123Z';

function orthancId(text: string): OrthancId {
  if (!isOrthancId(text)) throw new Error('no id');
  return text;
}

function instanceId(id: OrthancId): InstanceId {
  if (!isInstanceId(id)) throw new Error('no id');
  return id;
}

/** A storage in which every key holds these bytes; a listing shows one key below whatever is asked for. */
function storageOf(bytes: Uint8Array): ObjectStorage {
  const entry = (key: string) => ({ key, sizeBytes: bytes.length, lastModified: new Date(0), etag: 'e' });
  const refuse = () => Promise.reject(new Error('a reader writes'));
  const open = (key: string): OpenObject => ({
    ...entry(key),
    bodyBytes: bytes.length,
    body: inPieces(bytes, 4096),
    cancel: () => undefined,
  });
  return {
    name: 'the archive',
    prepare: refuse,
    anchor: refuse,
    putOnce: refuse,
    supersede: refuse,
    setAside: refuse,
    delete: refuse,
    replaceIf: async () => 'changed',
    get: async (key) => open(key),
    head: async (key) => entry(key),
    async *list(prefix) {
      yield entry(prefix.endsWith('/') ? `${prefix}${study}/20261121T030201.123Z-0cc175b9.json` : prefix);
    },
    async *listFolders(prefix) {
      yield `${prefix}${study}/`;
    },
    close: async () => undefined,
  };
}

const content = {
  labels: ['a', 'b'],
  metadata: { '1024': 'x', '5000': 'y' },
  attachments: { '1025': { md5, sizeBytes: 3 } },
  systemMetadata: { ReceptionDate: '20261121T024600' },
  namedMetadata: { mine: 'z' },
};
const instance = { id: other, md5, sizeBytes: 12, fileUuid: 'u', ...content };
const patientSidecar = {
  format: 'orthanc-mirror-patient',
  version: 1,
  id: other,
  tags: { PatientID: 'p' },
  protected: true,
  ...content,
};
const studySidecar = {
  format: 'orthanc-mirror-study',
  version: 1,
  id: study,
  patientId: other,
  patientTags: { PatientID: 'p' },
  tags: { StudyInstanceUID: '1.2' },
  ...content,
  series: [{ id: other, tags: { Modality: 'CT' }, ...content, instances: [instance, { ...instance, md5: null }] }],
};

const unnoted = { onFinding: () => undefined };

/** A sidecar that is read is written back the same, and its hash does not depend on how it was written. */
async function checkSidecar(input: Uint8Array): Promise<void> {
  const objects = storageOf(input);
  const found = await attempt(() => readArchivedStudy(objects, study, unnoted));
  if (found !== undefined) {
    const written = documentBytes(canonical(found.document));
    const again = await readArchivedStudy(storageOf(written), study, unnoted);
    must(again !== undefined && contentHash(again.document) === contentHash(found.document), 'a sidecar changes');
    mustEqual(canonical(again.document), canonical(found.document), 'a sidecar is written otherwise than it was read');
    fingerprintOf(found.document, undefined, { patients: false, labels: true });
  }
  const patient = await attempt(() => readArchivedPatient(objects, other, unnoted));
  if (patient !== undefined) {
    const written = documentBytes(canonical(patient.document));
    const again = await readArchivedPatient(storageOf(written), other, unnoted);
    mustEqual(canonical(again?.document), canonical(patient.document), 'a sidecar of a patient changes');
  }
}

const records: readonly HistoryRecord[] = (['current', 'imported', 'removed'] as const).map((what) => ({
  id: instanceId(study),
  number: 2,
  ...(what === 'removed' ? { what } : { what, md5: md5Of(Buffer.from('a')) }),
}));
const recordBodies = records.map((record) => ({
  format: 'orthanc-mirror-history',
  version: 1,
  ...record,
  at,
  observedBy: 'run',
  origin: 'source',
}));

/** A record is believed only with a time, and where it does not contradict its key; it is then written back the same. */
async function checkRecord(input: Uint8Array): Promise<void> {
  for (const record of records) {
    const found = await attempt(() => readRecord(storageOf(input), record));
    if (found === undefined) continue;
    must(Number.isFinite(found.at.getTime()), 'a record has no time');
    mustEqual({ ...found, at: undefined }, { ...record, at: undefined }, 'a record says something else than its key');
    const written = recordBytes(found, { writer: 'run', origin: 'source' });
    mustEqual(await readRecord(storageOf(written), record), found, 'a record is written otherwise than it was read');
  }
}

const manifests = [
  { format: 'orthanc-mirror-archive', version: 1, createdAt: at, source: { name: 'main', serverIdentifier: 'x' } },
  { format: 'orthanc-mirror-archive', version: 2, rest: {} },
];

async function checkManifest(input: Uint8Array): Promise<void> {
  const manifest = await attempt(() => readManifest(storageOf(input)));
  if (manifest === undefined) return;
  const again = await readManifest(storageOf(documentBytes(manifest)));
  mustEqual(again, manifest, 'a manifest is written otherwise than it was read');
}

const states = [
  { owner: 'a', fencing: 1, expiresAtMs: 0 },
  {
    version: 1,
    sourceIdentity: null,
    cursor: { position: 9, rereadSince: 0, seenAt: 1, rereadAt: 1, handled: '7-9', ids: 'da39a3ee', times: '0*2,1*1' },
    comparison: {
      after: study,
      listed: true,
      sidecarsAfter: study,
      startedAt: at,
      reason: 'first run',
      leftOut: [],
      unlisted: [],
    },
    comparedAt: at,
    unlisted: [],
  },
  { version: 1, pauses: {}, suspects: { main: { [study]: 2 } }, ended: { main: { at, code: 'full', probes: 1 } } },
  nothingMissing,
  { version: 1, previous: [[study, at]], current: { ids: [study], count: 1, listed: 9 } },
  { version: 1, startedAt: at, slots: Array<number>(600).fill(0), unfinished: null },
  { complete: { instances: 1, versions: 1, bytes: 1, countedAt: at }, unfinished: null },
  {
    version: 1,
    studies: [
      { study, patient: other, key: 'k', modalities: ['CT'], labels: [], series: 1, instances: 1, sizeBytes: 12 },
    ],
  },
];
const stateSchemas = [
  storedProgressSchema,
  pauseStateSchema,
  missingSchema,
  rotationSchema,
  archiveCountSchema,
  statusSchema,
] as const;

async function checkState(input: Uint8Array): Promise<void> {
  const objects = storageOf(input);
  for (const schema of stateSchemas) {
    const found = await attempt(() => readDocument<unknown>(objects, 'state/x.json', schema));
    if (found === undefined) continue;
    const again = await readDocument<unknown>(storageOf(documentBytes(found.value)), 'state/x.json', schema);
    mustEqual(again?.value, found.value, 'a state is written otherwise than it was read');
  }
  await attempt(() => progressBeside(objects).read());
  await attempt(() => new Lease(objects, 'lease', () => 1).acquire(1000, 'me'));
  await attempt(() => Array.fromAsync(readCatalogue(objects, unnoted)));
}

const backup = '20261121T030201.123Z-0cc175b9';
const hostManifest = {
  backup,
  host: 'pacs',
  takenAt: at,
  method: 'hot',
  index: {
    kind: 'sqlite',
    schema: 6,
    revision: 1,
    instances: 1,
    path: '/var/lib/index',
    document: { sizeBytes: 1, sha256, pieces: [] },
  },
  storage: {
    folders: ['/var/lib'],
    files: 1,
    bytes: 1,
    missing: 0,
    damaged: 0,
    list: { sizeBytes: 1, sha256, pieces: [{ sha256, sizeBytes: 1 }] },
  },
  configuration: {
    files: [
      {
        path: '/etc/orthanc.json',
        mode: 0o640,
        owner: { user: 0, group: 1 },
        sizeBytes: 1,
        encrypted: { sizeBytes: 29, sha256, pieces: [{ sha256, sizeBytes: 29 }] },
      },
    ],
  },
};
const hostSecrets = { salt: Buffer.alloc(16), encryption: Buffer.alloc(32), authentication: Buffer.alloc(32) };

/** Two lines: whose it is, and the manifest. */
function hostManifests(): fc.Arbitrary<Uint8Array> {
  const sealed = sealManifest(manifestSchema.parse(hostManifest), hostSecrets);
  const header = sealed.subarray(0, sealed.indexOf('\n') + 1);
  const bodies = mutatedJson([hostManifest]).map((body) => Buffer.concat([header, body, Buffer.from('\n')]));
  return fc.oneof(mutatedBytes([sealed]), bodies);
}

async function checkHostManifest(input: Uint8Array): Promise<void> {
  const expected = { backup, host: 'pacs' };
  const opened = await openManifest(Buffer.from(input), undefined, expected);
  must(opened.kind !== 'authentic', 'a manifest is believed without a passphrase');
  if (opened.kind !== 'unproven') return;
  const again = await openManifest(sealManifest(opened.manifest, hostSecrets), undefined, expected);
  mustEqual(again.kind === 'unproven' && again.manifest, opened.manifest, 'a manifest of a host changes');
}

async function checkFileList(input: Uint8Array): Promise<void> {
  const files = await attempt(() => Array.fromAsync(readFileList(inPieces(input, 100))));
  if (files === undefined) return;
  async function* all() {
    yield* files ?? [];
  }
  const again = await Array.fromAsync(readFileList(writeFileList(all())));
  mustEqual(again, files, 'a list of files is written otherwise than it was read');
}

const messages = [
  { v: 1, mirror: 'main', kind: 'instance', id: study, md5, sizeBytes: 12 },
  { v: 1, mirror: 'main', kind: 'study', id: study },
  { v: 1, mirror: 'main', kind: 'resource', level: 'series', id: study },
  { v: 1, mirror: 'main', kind: 'restore', job: backup, part: 1, id: study },
  { v: 1, mirror: 'main', kind: 'restore-study', job: backup, part: 2, id: study },
];

async function checkMessage(input: Uint8Array): Promise<void> {
  const message = await attempt(() => parseMessage(textOf(input)));
  if (message !== undefined) mustEqual(parseMessage(JSON.stringify(message)), message, 'a message changes');
}

const jobs = [
  { version: 1, id: backup, kind: 'restore', mirror: 'main', target: 'a', at: null, begunAt: at, expiresAt: at },
  { version: 1, instances: [{ id: study, md5, sizeBytes: 12 }], studies: [other] },
  { version: 1, finishedAt: at },
];

/** Whatever lies under the keys of a job, it allows nothing unless each of its documents is one. */
async function checkJob(input: Uint8Array): Promise<void> {
  const reading = new RestoreJobs(storageOf(input), 'main', { now: () => new Date(0) });
  const allowed = await attempt(() => reading.instance({ job: backup, part: 1, id: study }));
  must(allowed === undefined, 'a document that is not a job and its part at once allows a restore');
  const read = await attempt(() => readDocument(storageOf(input), 'jobs/x.json', restoreJobPartSchema));
  must(read === undefined || read.value.instances.length <= partSize, 'a part is longer than it may be');
}

const bucket = { name: 'inbox' };
const notifications = [
  {
    Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket, object: { key: 'new/ward/a+b.dcm', versionId: 'v' } } }],
  },
  { Event: 's3:TestEvent' },
];

async function checkNotification(input: Uint8Array): Promise<void> {
  await attempt(() => parseNotification(textOf(input), 'inbox'));
}

const requests = [{ v: 1, mirror: 'main', events: [{ kind: 'stored', level: 'instances', id: study }] }];

function checkWebhook(input: Uint8Array): void {
  const body = input.subarray(0, maxBodyBytes);
  const parsed = parseBody(body);
  if (!parsed.ok) {
    must(/^[\w.]{1,100}$/.test(parsed.field), 'the name of a field tells what was in it');
    return;
  }
  const { events } = parsed.request;
  must(events.length <= maxEvents, 'there are more events than a request may have');
  must(announcementsOf(events).length <= events.length, 'a request announces more than it says');
}

async function checkEvents(input: Uint8Array): Promise<void> {
  const parsed = parseJson(textOf(input), jsonBoundsOf(1024 * 1024));
  const event = parsed.ok ? parsed.value : textOf(input);
  await attempt(() => parseScheduleEvent(event));
  await attempt(() => parseRelistEvent(event));
  try {
    must(incomingOf(event).method !== undefined, 'a request has no method');
  } catch (error) {
    // Only a deployment that is wrong can send it: it ends as an error of the function.
    if (!(error instanceof z.ZodError)) throw error;
  }
}

const events = [
  { mirror: 'main' },
  { relist: { olderThanMinutes: 60 } },
  { headers: { 'x-a': 'b' }, body: 'e30=', isBase64Encoded: true, requestContext: { http: { method: 'POST' } } },
];

async function checkConfiguration(input: Uint8Array): Promise<void> {
  const text = textOf(input);
  await attempt(() => parseConfiguration(text, 'mirrors.json'));
  const { undefinedVariables, text: substituted } = substituteVariables(text, { HOME: '/root', A: '\u0024{B}' });
  must(undefinedVariables.length <= text.length, 'there are more variables than letters');
  must(substituted.length <= text.length * 5, 'a configuration grows');
}

const configurations = [
  {
    mirrors: {
      main: {
        source: { url: 'http://localhost:8042', auth: { bearer: { env: 'TOKEN' } }, limits: { bytesPerSecond: 1 } },
        targets: { standby: { url: 'https://standby', auth: { basic: { username: 'a', password: { file: 'b' } } } } },
        archive: { bucket: 'archive', prefix: 'a/' },
        schedule: { timeZone: 'Europe/Berlin', blackouts: [{ from: '08:00', to: '18:00' }] },
        filter: { modalities: ['CT'] },
      },
    },
  },
];

function gzipped(lines: readonly unknown[]): Buffer {
  return gzipSync(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

export async function documentTargets(): Promise<readonly FuzzTarget[]> {
  const uuid = '0bc5b5c2-f5ab-4a8e-a3cf-3ab07ef1b6e1';
  const lists = [
    gzipped([
      { uuid, md5, sha256, bytes: 3 },
      { uuid, folder: 1, path: 'a/b', expected: md5 },
    ]),
    gzipped([]),
  ];
  const broken = gzipped(['x', { uuid: 1 }]);
  const readme = (await readFile(new URL('../../../README.md', import.meta.url), 'utf8')).slice(0, 4000);
  return [
    { name: 'json', inputs: mutatedJson([studySidecar, ...states]), check: checkJson, runs: 1000 },
    { name: 'sidecars', inputs: mutatedJson([studySidecar, patientSidecar]), check: checkSidecar, runs: 500 },
    { name: 'records', inputs: mutatedJson(recordBodies), check: checkRecord, runs: 500 },
    { name: 'manifest', inputs: mutatedJson(manifests), check: checkManifest, runs: 500 },
    { name: 'state', inputs: mutatedJson(states), check: checkState, runs: 300 },
    { name: 'host-manifest', inputs: hostManifests(), check: checkHostManifest, runs: 500 },
    { name: 'host-file-list', inputs: mutatedBytes([...lists, broken]), check: checkFileList, runs: 300 },
    { name: 'messages', inputs: mutatedJson(messages), check: checkMessage, runs: 1000 },
    { name: 'jobs', inputs: mutatedJson(jobs), check: checkJob, runs: 500 },
    { name: 'notifications', inputs: mutatedJson(notifications), check: checkNotification, runs: 500 },
    { name: 'webhook', inputs: mutatedJson(requests), check: checkWebhook, runs: 1000 },
    { name: 'events', inputs: mutatedJson(events), check: checkEvents, runs: 500 },
    {
      name: 'configuration',
      inputs: fc.oneof(
        mutatedJson(configurations),
        mutatedTexts(['{"a": 1, /* x */ "b": [],}', '\u0024{A:-"b"} \u0024{A} \u0024{B:-c}', readme]),
      ),
      check: checkConfiguration,
      runs: 300,
    },
  ];
}

/** What our own scan lets through, the parser of JavaScript reads; and the other way round, but for what is refused. */
function checkJson(input: Uint8Array): void {
  const text = textOf(input);
  const read = parseJson(text, jsonBoundsOf(1024 * 1024));
  let value: unknown;
  let isJson = true;
  try {
    value = JSON.parse(text);
  } catch {
    isJson = false;
  }
  if (read.ok) must(isJson, 'what is no JSON is read');
  if (read.ok) mustEqual(read.value, value, 'it is read otherwise than everybody else reads it');
  else must(!isJson || read.problem !== 'it is not JSON', 'what is JSON is not read');
}
