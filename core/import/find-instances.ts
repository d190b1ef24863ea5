/** Finds every instance in a folder or bucket, and says of everything else what it is. */
import { type ConsiderContext, type Considered, consider, considerAgain } from './consider.ts';
import type { ImportSource, Walked } from './found.ts';
import { refused } from './judge.ts';
import { mergeConcurrently } from './merge.ts';
import type { PutOffFile } from './put-off.ts';

export interface FindOptions {
  /** How many files are read at once. */
  readonly concurrency: number;
  /** See `ImportOptions.acceptWithoutPixelData`. */
  readonly acceptWithoutPixelData: boolean;
}

/**
 * Yields each file once, in no order; those that may be only the beginning of another come last. Who takes an instance
 * releases its bytes. Throws what the source throws when it cannot be listed to its end.
 */
export async function* findInstances(
  source: ImportSource,
  context: ConsiderContext,
  options: FindOptions,
): AsyncGenerator<Considered> {
  const look = (walked: Walked) => consider(walked, context);
  yield* mergeConcurrently(source.walk(), options.concurrency, look, release);
  for (const file of context.putOff.all()) {
    yield* considerPutOff(file, source, context, options);
  }
}

async function* considerPutOff(
  { at, reference, isPart, isCompressed }: PutOffFile,
  source: ImportSource,
  context: ConsiderContext,
  { acceptWithoutPixelData }: FindOptions,
): AsyncGenerator<Considered> {
  if (isPart) {
    yield { kind: 'line', line: { ...at, outcome: 'not-dicom', what: 'dicom-until-pixel-data' } };
  } else if (reference === undefined || (isCompressed && !acceptWithoutPixelData)) {
    yield { kind: 'line', line: refused(at, withoutPixelData, { advice: 'accept-without-pixel-data' }) };
  } else {
    yield* considerAgain(reference, at, source, context);
  }
}

function release(considered: Considered): void {
  if (considered.kind === 'instance') {
    considered.instance.bytes.release();
  }
}

const withoutPixelData =
  'it describes an image and has no pixel data: the beginning of a lost file, or an object without pixels; ' +
  'if you know it is the latter, it can be accepted';
