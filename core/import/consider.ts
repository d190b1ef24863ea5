/** Looks at one found file, and at everything in it: which instances it brings, and what is to be reported of it. */
import type { OrthancEncoding } from '../dicom/charset.ts';
import { isMirrorError } from '../errors.ts';
import type { StorageIndex } from '../orthanc-disk/index/storage-index.ts';
import type { StorageRole } from '../orthanc-disk/storage/storage-names.ts';
import type { Found, FoundAt, ImportSource, Walked } from './found.ts';
import type { FoundInstance } from './found-instances.ts';
import { type Identified, identify } from './identify.ts';
import { expect, type InstanceVerdict, judgeError, judgeInstance, judgeOther, refused } from './judge.ts';
import type { PutOffFiles } from './put-off.ts';
import type { ReportLine } from './report.ts';
import { type Leaf, type UnfoldContext, unfold } from './unfold.ts';

/** What one file gives. */
export type Considered =
  | { readonly kind: 'line'; readonly line: ReportLine }
  /** Files may be hidden behind it: what was found is not all. */
  | { readonly kind: 'obstacle'; readonly line: ReportLine }
  | { readonly kind: 'instance'; readonly instance: FoundInstance };

export interface ConsiderContext extends UnfoldContext {
  readonly defaultEncoding?: OrthancEncoding | undefined;
  readonly index: StorageIndex | undefined;
  readonly putOff: PutOffFiles;
}

/** Considers one step of the walk. Everything it yields as an instance has bytes to be released by who takes it. */
export async function* consider(walked: Walked, context: ConsiderContext): AsyncGenerator<Considered> {
  if (walked.kind === 'obstacle') {
    const { at, what, hides } = walked;
    yield hides === undefined
      ? { kind: 'line', line: { ...at, outcome: 'not-dicom', what } }
      : { kind: 'obstacle', line: refused(at, what, { code: hides }) };
    return;
  }
  const { found } = walked;
  const { notDicom } = expectationOf(found.at, found.storage, context);
  if (notDicom !== undefined) {
    found.bytes.release();
    yield { kind: 'line', line: { ...found.at, outcome: 'not-dicom', what: notDicom } };
    return;
  }
  for await (const leaf of unfold(found, context)) {
    const considered = await considerLeaf(leaf, context);
    if (considered !== undefined) {
      yield considered;
    }
  }
}

/** A file that was put off for its lack of pixel data, and turned out to be an instance of its own. */
export async function* considerAgain(
  reference: string,
  at: FoundAt,
  source: ImportSource,
  context: ConsiderContext,
): AsyncGenerator<Considered> {
  let found: Found;
  try {
    found = await source.again(reference);
  } catch (error) {
    if (!isMirrorError(error)) {
      throw error;
    }
    yield lineOf(judgeError(at, error));
    return;
  }
  yield* consider({ kind: 'file', found: { ...found, storage: undefined } }, context);
}

async function considerLeaf(leaf: Leaf, context: ConsiderContext): Promise<Considered | undefined> {
  switch (leaf.kind) {
    case 'no-file':
      return leaf.what === 'folder' ? undefined : lineOf({ ...leaf.at, outcome: 'not-dicom', what: leaf.what });
    case 'error':
      return lineOf(judgeError(leaf.at, leaf.error));
    case 'dicom':
      return considerDicom(leaf.found, leaf.isCompressedStorage, context);
    case 'json-summary':
      leaf.found.bytes.release();
      return lineOf(
        judgeOther(leaf.found.at, expectationOf(leaf.found.at, leaf.found.storage, context), leaf.kind, false),
      );
    case 'encrypted':
      leaf.found.bytes.release();
      return lineOf(
        refused(leaf.found.at, 'encrypted by the object-storage plugin, whose master key was not given', {
          advice: 'give-master-key',
        }),
      );
    case 'other': {
      leaf.found.bytes.release();
      const { at, storage } = leaf.found;
      return lineOf(judgeOther(at, expectationOf(at, storage, context), leaf.what, leaf.mayBeDamage));
    }
  }
}

async function considerDicom(
  found: Found,
  isCompressed: boolean,
  context: ConsiderContext,
): Promise<Considered | undefined> {
  let considered: Considered | undefined;
  try {
    const identified = await identify(found.bytes, context.defaultEncoding);
    considered = considerIdentified(found, identified, isCompressed, context);
  } catch (error) {
    if (!isMirrorError(error)) {
      throw error;
    }
    considered = lineOf(judgeError(found.at, error));
  }
  if (considered?.kind !== 'instance') {
    found.bytes.release();
  }
  return considered;
}

function considerIdentified(
  found: Found,
  identified: Identified,
  isCompressed: boolean,
  context: ConsiderContext,
): Considered | undefined {
  const { at, storage } = found;
  switch (identified.kind) {
    case 'dicomdir':
      return lineOf({ ...at, outcome: 'not-dicom', what: 'dicomdir' });
    case 'unfit':
      return lineOf(refused(at, identified.reason, { code: identified.code }));
    case 'instance':
      break;
  }
  const { header, md5, sizeBytes } = identified;
  const verdict = judgeInstance(header, md5, storage, indexedFile(storage, context), context.index !== undefined);
  switch (verdict.kind) {
    case 'refused':
      return lineOf({ ...refused(at, verdict.reason), id: header.instanceId, md5, sizeBytes });
    case 'put-off':
      context.putOff.putOff(found, header.instanceId, isCompressed);
      return undefined;
    case 'import':
      if (storage?.content === 'unknown') {
        context.putOff.sawWhole(header.instanceId);
      }
      return { kind: 'instance', instance: toImport(found, identified, verdict) };
  }
}

function toImport(
  { at, bytes, reference }: Found,
  { header, md5, sizeBytes }: Extract<Identified, { kind: 'instance' }>,
  { id, note }: Extract<InstanceVerdict, { kind: 'import' }>,
): FoundInstance {
  const otherIds = [header.instanceId, ...header.otherInstanceIds].filter((each) => each !== id);
  return { id, md5, sizeBytes, bytes, at, reference, otherIds, ...(note === undefined ? {} : { note }) };
}

function expectationOf(at: FoundAt, storage: StorageRole | undefined, context: ConsiderContext) {
  return expect(at, storage, indexedFile(storage, context));
}

function indexedFile(storage: StorageRole | undefined, { index }: ConsiderContext) {
  return storage === undefined ? undefined : index?.fileOf(storage.uuid);
}

function lineOf(line: ReportLine): Considered {
  return { kind: 'line', line };
}
