/**
 * Holds a mirror to the one source that its archive belongs to. Two sources in one archive would take each other's instances
 * for deleted.
 *
 * What tells is the change feed (`core/mirror/follow/feed-evidence.ts`). Orthanc's `DatabaseServerIdentifier` decides only where
 * the feed says nothing: unless it is configured it is a hash of MAC addresses, AET and ports, so that it changes when a
 * container is made anew, and two servers can have the same one (Orthanc: OrthancConfiguration.cpp,
 * GetDatabaseServerIdentifier; told in `/system` from 1.11.1 on).
 */
import * as z from 'zod';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { StateDocument } from '../stores/archive/state.ts';
import type { ChangeFeed } from '../stores/change-feed.ts';
import {
  evidenceSchema,
  type FeedEvidence,
  gatherEvidence,
  judgeEvidence,
  noEvidence,
} from './follow/feed-evidence.ts';

/** What is remembered of the source: `state/source.json`. */
const rememberedSchema = z.strictObject({
  version: z.literal(1),
  /** Which of the sources that the archive had: 0 is the first. What is remembered of another one says nothing. */
  source: z.int().nonnegative(),
  serverIdentifier: z.string().nullable(),
  feed: evidenceSchema,
});
type Remembered = z.infer<typeof rememberedSchema>;

export interface SourceProofOptions {
  readonly archive: Archive;
  readonly feed: ChangeFeed;
  /** How messages and the archive call the source. */
  readonly name: string;
  /** What the source tells now; `undefined` where it does not. */
  readonly serverIdentifier: (options: CallOptions) => Promise<string | undefined>;
  /** How many successors of its first source the archive may have, those that it has had included; or one more than these. */
  readonly successors: number | 'one-more';
  readonly now: () => Date;
  /** Decide only, and write nothing. */
  readonly dryRun?: boolean | undefined;
}

export class SourceProof {
  readonly #options: SourceProofOptions;
  readonly #document: StateDocument<Remembered>;
  #version: string | null = null;
  #known: Remembered | undefined;
  /** How many successors there may be; counted once, so that one more does not become two. */
  #successors: number | undefined;

  constructor(options: SourceProofOptions) {
    this.#options = options;
    this.#document = new StateDocument(options.archive.objects, 'source', rememberedSchema);
  }

  /**
   * Throws `other-source` if the server is not the one that the archive belongs to, and may not succeed it; and what
   * source and archive throw.
   */
  async verify(options: CallOptions = {}): Promise<void> {
    const { archive, successors, name, now, dryRun = false } = this.#options;
    const had = archive.manifest.predecessors.length;
    this.#successors ??= successors === 'one-more' ? had + 1 : successors;
    await this.#recall(options);
    const told = await this.#options.serverIdentifier(options);
    if (await this.#isSame(told, options)) return;
    if (had >= this.#successors) throw otherSource(archive, name, had + 1);
    if (dryRun) return;
    await archive.succeed({ name, ...(told !== undefined && { serverIdentifier: told }) }, now(), options);
    this.#known = undefined;
  }

  /**
   * Remembers the source after a complete comparison. What cannot be written now is written after the next one: the
   * archive's own failures are told where instances are stored.
   */
  async remember(options: CallOptions = {}): Promise<void> {
    if (this.#options.dryRun === true) return;
    try {
      const { feed, archive } = this.#options;
      const serverIdentifier = (await this.#options.serverIdentifier(options)) ?? null;
      const known = this.#known;
      const isEnough = known !== undefined && isFresh(known.feed, await feed.lastChange(options));
      if (isEnough && known.serverIdentifier === serverIdentifier) return;
      const evidence = isEnough ? known.feed : await gatherEvidence(feed, options);
      const source = archive.manifest.predecessors.length;
      this.#known = { version: 1, source, serverIdentifier, feed: evidence };
      this.#version = await this.#document.write(this.#known, this.#version, options);
    } catch (error) {
      if (!isMirrorError(error)) throw error;
    }
  }

  async #isSame(told: string | undefined, options: CallOptions): Promise<boolean> {
    const { archive, feed } = this.#options;
    const verdict = await judgeEvidence(feed, this.#known?.feed ?? noEvidence, options);
    if (verdict !== 'none') return verdict === 'same';
    const recorded = this.#known?.serverIdentifier ?? archive.manifest.source.serverIdentifier;
    return told === undefined || recorded === undefined || told === recorded;
  }

  async #recall(options: CallOptions): Promise<void> {
    const found = await this.#document.read(options);
    this.#version = found?.version ?? null;
    const isOfThisSource = found?.value.source === this.#options.archive.manifest.predecessors.length;
    this.#known = isOfThisSource ? found?.value : undefined;
  }
}

/** Whether what is remembered need not be read again: enough of it, and spread over what the feed has by now. */
function isFresh({ entries, last }: FeedEvidence, lastNow: number): boolean {
  return entries.length >= 4 && lastNow >= last && lastNow <= 2 * last;
}

function otherSource({ name: archive, manifest }: Archive, source: string, successors: number): MirrorError {
  const { name, serverIdentifier } = manifest.source;
  const owner = serverIdentifier === undefined ? name : `${name}, server identifier ${serverIdentifier}`;
  return new MirrorError(
    'other-source',
    `${archive} belongs to another source (${owner}) than ${source}, whose database is another one. Give this source an ` +
      'archive of its own; or, if it takes the place of the other for good, say so once: ' +
      `"archive": { "succeed": ${successors} } in the configuration`,
    { store: source, advice: 'succeed-source' },
  );
}

/**
 * @returns why a source that answers cannot be used: it is another one than the archive's. What keeps this from being told
 * now is met when a comparison begins.
 */
export async function whyOtherSource(
  proof: Pick<SourceProof, 'verify'> | undefined,
  options: CallOptions,
): Promise<MirrorError | undefined> {
  try {
    await proof?.verify(options);
    return undefined;
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    return error.code === 'other-source' ? error : undefined;
  }
}
