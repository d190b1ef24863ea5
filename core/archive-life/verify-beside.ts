/**
 * Reads back what an archive holds beside the instances, and joins it with them: every state of every sidecar and every
 * attachment has a hash in its key; every record of a history says what its key says, and when; every instance that a sidecar says the archive held, and every attachment that one
 * names, must be there, because an archive deletes nothing.
 */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import { type InstanceId, isMd5, type Md5, type OrthancId, resourceLevels } from '../identifiers.ts';
import { isArchived, keyOfAttachment } from '../sidecars/archive-sidecar.ts';
import { type AttachmentPlace, attachmentsIn } from '../sidecars/attachment-source.ts';
import { type InstanceRecord, instancesOf } from '../sidecars/sidecar.ts';
import {
  listSidecars,
  readSidecar,
  type Sidecar,
  type SidecarOptions,
  type SidecarState,
} from '../sidecars/sidecar-state.ts';
import type { Archive } from '../stores/archive/archive.ts';
import type { ArchiveHistory } from '../stores/archive/archive-history.ts';
import {
  folders,
  type HistoryRecord,
  historyKey,
  instanceFolder,
  instanceKey,
  parseKey,
} from '../stores/archive/keys.ts';
import type { ObjectEntry, ObjectStorage } from '../stores/archive/object-storage.ts';
import { inParallel, mapInOrder } from '../streams/in-parallel.ts';
import { type IdRange, type RangeOptions, rangeOf } from './verify/subset.ts';

/** Where the bytes of an attachment lie; their size is in no key. */
export type AttachmentName = Omit<AttachmentPlace, 'sizeBytes'>;

/** What reading an object back, or looking for it, showed. */
export type Checked = {
  readonly id: OrthancId;
  readonly key: string;
  /**
   * `damaged`: it is not what its key promises. `lost`: a sidecar names it, and it is not there. `vanished`: it was
   * deleted since it was listed. `unverified`: it could not be read for a reason that says nothing of it.
   */
  readonly kind: 'sound' | 'damaged' | 'lost' | 'vanished' | 'unverified';
  /** Of attachments that are sound; sidecars and records are not counted. */
  readonly sizeBytes: number;
  /** Why it is not sound. */
  readonly error?: MirrorError;
} & (
  | { readonly what: 'sidecar'; readonly state: SidecarState }
  | { readonly what: 'attachment'; readonly place: AttachmentName }
  | { readonly what: 'record' }
  /** Of instances only those that are lost: the others are read back by themselves. */
  | { readonly what: 'instance'; readonly instance: Pick<InstanceRecord, 'id' | 'md5'>; readonly namedAt: Date }
);

export interface VerifyBesideOptions extends SidecarOptions, RangeOptions {
  /** Tells, without a request, that the archive holds a version; absent: it is asked for each. */
  readonly known?: ((id: InstanceId, md5: Md5) => boolean) | undefined;
  /** Objects read at once; default 4. */
  readonly atOnce?: number | undefined;
}

const defaultAtOnce = 4;
/** Requests at a time for what one study names. */
const lookupsAtOnce = 8;

/**
 * Verifies sidecars, attachments and records; with a subset, those whose own id belongs to it. Never stops at a problem. Throws
 * only if the archive cannot be listed, or when the signal aborts.
 */
export async function* verifyBeside(archive: Archive, options: VerifyBesideOptions): AsyncGenerator<Checked> {
  const { objects, history } = archive;
  const range = rangeOf(options);
  for (const level of ['studies', 'patients'] as const) {
    const sidecars = within(
      listSidecars(objects, level, { ...options, after: range.after }),
      range,
      (states) => states[0]?.id,
    );
    for await (const checked of mapInOrder(sidecars, options.atOnce ?? defaultAtOnce, (states) =>
      checkSidecar(objects, states, options),
    )) {
      yield* checked;
    }
  }
  for (const level of resourceLevels) {
    const folder = `${folders.attachments}${level}/`;
    // '0' follows '/': the key right behind all attachments of the resource.
    const after = range.after === undefined ? undefined : `${folder}${range.after}0`;
    const listed = within(objects.list(folder, { after, signal: options.signal }), range, ({ key }) => nameIn(key)?.id);
    yield* mapInOrder(listed, options.atOnce ?? defaultAtOnce, (entry) => checkAttachment(objects, entry, options));
  }
  const records = within(history.records({ after: range.after, signal: options.signal }), range, ({ id }) => id);
  yield* mapInOrder(records, options.atOnce ?? defaultAtOnce, (record) => checkRecord(history, record, options));
}

/** What of a listing in order of id lies within a range; what has no id is passed over. */
async function* within<Item>(
  items: AsyncIterable<Item>,
  range: IdRange,
  idOf: (item: Item) => OrthancId | undefined,
): AsyncGenerator<Item> {
  for await (const item of items) {
    const id = idOf(item);
    if (id === undefined) continue;
    if (range.isBehind(id)) return;
    if (range.includes(id)) yield item;
  }
}

/** Reads every state of one sidecar, and looks for all that they name. */
async function checkSidecar(
  objects: ObjectStorage,
  states: readonly SidecarState[],
  options: VerifyBesideOptions,
): Promise<readonly Checked[]> {
  const checked: Checked[] = [];
  const instances = new Map<string, NamedInstance>();
  const attachments = new Map<string, AttachmentName>();
  for (const state of states) {
    const { document, ...read } = await readTwice(objects, state, options);
    checked.push({ what: 'sidecar', state, id: state.id, key: state.key, ...read });
    if (document === undefined) continue;
    for (const named of instancesNamedBy(document, state)) instances.set(`${named.id} ${named.md5}`, named);
    for (const place of attachmentsIn(document)) attachments.set(keyOfAttachment(place), place);
  }
  const lost = await Promise.all([
    inParallel([...instances.values()], lookupsAtOnce, (named) => lookForInstance(objects, named, options)),
    inParallel([...attachments.values()], lookupsAtOnce, (place) => lookForAttachment(objects, place, options)),
  ]);
  return [...checked, ...lost.flat(2)];
}

interface NamedInstance extends Pick<InstanceRecord, 'id' | 'md5'> {
  readonly at: Date;
}

function instancesNamedBy(document: Sidecar, { at }: SidecarState): readonly NamedInstance[] {
  if (document.format !== 'orthanc-mirror-study') return [];
  // What was not archived yet when the sidecar was written may never have been.
  return instancesOf(document).flatMap(({ id, md5, pending }) => (pending ? [] : [{ id, md5, at }]));
}

interface ReadBack extends Pick<Checked, 'kind' | 'sizeBytes' | 'error'> {
  readonly document?: Sidecar;
}

/** A damaged reading is repeated once, because the way here may be what is at fault. */
async function readTwice(objects: ObjectStorage, state: SidecarState, options: CallOptions): Promise<ReadBack> {
  const first = await readBack(objects, state, options);
  return first.kind === 'damaged' ? readBack(objects, state, options) : first;
}

async function readBack(objects: ObjectStorage, state: SidecarState, { signal }: CallOptions): Promise<ReadBack> {
  return guarded(signal, async () => {
    const document = await readSidecar(objects, state, { signal });
    return document === undefined ? { kind: 'vanished', sizeBytes: 0 } : { kind: 'sound', sizeBytes: 0, document };
  });
}

async function lookForInstance(
  objects: ObjectStorage,
  { at: namedAt, ...instance }: NamedInstance,
  { known, signal }: VerifyBesideOptions,
): Promise<readonly Checked[]> {
  const { id, md5 } = instance;
  if (md5 !== null && known?.(id, md5) === true) return [];
  const key = md5 === null ? instanceFolder(id) : instanceKey(id, md5);
  const found = await guarded(signal, async () => {
    if (await isArchived(objects, instance, { signal })) return { kind: 'sound', sizeBytes: 0 };
    return { kind: 'lost', sizeBytes: 0, error: lost(objects.name, key) };
  });
  return found.kind === 'sound' ? [] : [{ what: 'instance', id, key, instance, namedAt, ...found }];
}

async function lookForAttachment(
  objects: ObjectStorage,
  place: AttachmentName,
  { signal }: VerifyBesideOptions,
): Promise<readonly Checked[]> {
  const key = keyOfAttachment(place);
  const found = await guarded(signal, async () => {
    if ((await objects.head(key, { signal })) !== undefined) return { kind: 'sound', sizeBytes: 0 };
    return { kind: 'lost', sizeBytes: 0, error: lost(objects.name, key) };
  });
  return found.kind === 'sound' ? [] : [{ what: 'attachment', id: place.id, key, place, ...found }];
}

async function checkAttachment(
  objects: ObjectStorage,
  { key }: ObjectEntry,
  options: VerifyBesideOptions,
): Promise<Checked> {
  const place = nameIn(key);
  if (place === undefined) throw new RangeError('only attachments are checked');
  const first = await hashBack(objects, key, place, options);
  const read = first.kind === 'damaged' ? await hashBack(objects, key, place, options) : first;
  return { what: 'attachment', id: place.id, key, place, ...read };
}

async function checkRecord(
  history: ArchiveHistory,
  record: HistoryRecord,
  { signal }: VerifyBesideOptions,
): Promise<Checked> {
  const read = await guarded(signal, async () => {
    const found = await history.read(record, { signal });
    return { kind: found === undefined ? 'vanished' : 'sound', sizeBytes: 0 };
  });
  return { what: 'record', id: record.id, key: historyKey(record), ...read };
}

async function hashBack(
  objects: ObjectStorage,
  key: string,
  { md5 }: AttachmentName,
  { signal }: CallOptions,
): Promise<ReadBack> {
  return guarded(signal, async () => {
    const object = await objects.get(key, { signal });
    if (object === undefined) return { kind: 'vanished', sizeBytes: 0 };
    const hash = createHash('md5');
    for await (const chunk of object.body) hash.update(chunk);
    const actual = hash.digest('hex');
    if (actual === md5) return { kind: 'sound', sizeBytes: object.sizeBytes };
    const error = new MirrorError('source-corrupt', `${objects.name}: ${key} has the MD5 ${actual}`);
    return { kind: 'damaged', sizeBytes: 0, error };
  });
}

/** What cannot be read is told and stops nothing. */
async function guarded(signal: AbortSignal | undefined, work: () => Promise<ReadBack>): Promise<ReadBack> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMirrorError(error)) throw error;
    const isDamage = isMirrorError(error, 'sidecar-damaged', 'history-damaged', 'body-short');
    return { kind: isDamage ? 'damaged' : 'unverified', sizeBytes: 0, error };
  }
}

function nameIn(key: string): AttachmentName | undefined {
  const parsed = parseKey(key);
  if (parsed?.kind !== 'attachment' || !isMd5(parsed.md5)) return undefined;
  const { level, id, number, md5 } = parsed;
  return { level, id, number, md5 };
}

function lost(archive: string, key: string): MirrorError {
  return new MirrorError('vanished', `${archive}: a sidecar names ${key}, and it is not there`);
}
