/**
 * What was said is checked: after copying, each server that was written to must still hold what it is said to hold. A
 * server that recycles answers `Success` to everything, and deletes its oldest patients without a word.
 *
 * The cheapest proof comes first. Every instance that a server stores is in its change feed as long as it holds it. So the
 * number of instances before the comparison, and the instances in the feed since, make the number now exactly when nothing
 * that was there before is gone; and what was copied is there when it is in that part of the feed. That is a few requests,
 * and one per thousand instances copied. Only where it does not add up, the server is listed once more.
 */

import type { CallOptions } from '../call-options.ts';
import type { CopyResult, Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import { type InstanceId, isInstanceId } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';
import { InstanceIdList } from '../stores/orthanc/instance-id-list.ts';
import type { InventoryEntry, InventoryOptions, Store } from '../stores/store.ts';
import type { Witness } from '../stores/witness.ts';
import { mergeJoin } from '../streams/merge-join.ts';
import { type ToldOutcomes, ToldOutcomesLog } from './told-outcomes.ts';

/** An instance that a destination took, or held, and does not hold any more. */
export interface LostInstance {
  readonly id: InstanceId;
  readonly destination: Destination;
  /** What was told of it before, at each destination. */
  readonly told: ToldOutcomes;
  readonly error: MirrorError;
}

export interface PresenceOptions {
  readonly destinations: readonly Destination[];
  /** Lists what every destination is said to hold beside what was noted; absent where everything is noted. */
  readonly source?: Pick<Store, 'inventory'> | undefined;
}

export interface BeginOptions extends CallOptions {
  /** Those that are asked; default all. */
  readonly served?: readonly Destination[] | undefined;
}

/** A moment at which a server held `count` instances, and `last` was the end of its feed. */
interface Mark {
  readonly last: number;
  readonly count: number;
}

/** How often a moment without a change is looked for. */
const markAttempts = 3;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #marks = new Map<Destination, Mark | undefined>();
  /** What was lost, with what is told of it now. */
  readonly #lost = new Map<InstanceId, ToldOutcomes>();
  #told: ToldOutcomesLog;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#told = new ToldOutcomesLog(options.destinations);
  }

  /** To be called before the destinations are listed. Forgets what was noted. */
  async begin({ served = this.#options.destinations, ...options }: BeginOptions): Promise<void> {
    this.#told = new ToldOutcomesLog(this.#options.destinations);
    this.#marks.clear();
    this.#lost.clear();
    for (const destination of served) {
      const { witness } = destination.store;
      // What does not answer now is noticed by who writes to it.
      if (witness !== undefined) this.#marks.set(destination, await markOf(witness, options).catch(ifMirrorError));
    }
  }

  /** Takes in what is told of an instance. Where a source is listed, what it lists and is equal everywhere need not be noted. */
  note(result: Pick<CopyResult, 'id' | 'outcomes'>): void {
    const isListed =
      this.#options.source !== undefined && result.outcomes.every(({ kind }) => kind === 'already-equal');
    if (this.isOpen && !isListed) this.#told.add(result);
  }

  /** Whether it was begun and not ended. */
  get isOpen(): boolean {
    return this.#marks.size > 0;
  }

  /** Whether anything was noted since the begin. */
  get hasNotes(): boolean {
    return this.#told.count > 0;
  }

  /** Notes nothing more until the next begin. */
  end(): void {
    this.#marks.clear();
  }

  /**
   * Yields what `destination` lost since the begin. `arrived` tells which of some ids came to the source since, so that
   * nothing was told of them yet. Throws what the destination and the source throw: then nothing is proven.
   */
  async *lostAt(
    destination: Destination,
    arrived: (ids: ReadonlySet<InstanceId>) => Promise<ReadonlySet<InstanceId>>,
    options: CallOptions,
  ): AsyncGenerator<LostInstance> {
    const { witness } = destination.store;
    if (witness === undefined || (await this.#isProven(destination, witness, options))) return;
    const missing = new Set<InstanceId>();
    for await (const { id, held } of mergeJoin([this.#claimed(options), destination.store.inventory(options)])) {
      if (held[0]?.length !== 0 && held[1]?.length === 0) missing.add(id);
    }
    const told = new Map<InstanceId, ToldOutcomes>();
    for (const one of this.#told.sorted()) if (missing.has(one.id)) told.set(one.id, one.told);
    const late = await arrived(new Set([...missing].filter((id) => !told.has(id))));
    for (const id of missing) {
      const before = this.#lost.get(id) ?? told.get(id) ?? this.#equalEverywhere();
      const kind = before.get(destination);
      if (late.has(id) || (kind !== 'copied' && kind !== 'already-equal')) continue;
      this.#lost.set(id, new Map(before).set(destination, 'failed'));
      yield { id, destination, told: before, error: await witness.lostInstance(id, options) };
    }
  }

  async #isProven(destination: Destination, witness: Witness, options: CallOptions): Promise<boolean> {
    const before = this.#marks.get(destination);
    const now = before && (await markOf(witness, options));
    if (before === undefined || now === undefined || now.last < before.last) return false;
    const stored = await storedBetween(witness, before, now, options);
    const copied = this.#copiedTo(destination);
    let awaited = copied.next();
    let count = 0;
    for (const id of stored.sorted()) {
      count += 1;
      if (awaited.value === id) awaited = copied.next();
    }
    return awaited.done === true && now.count === before.count + count;
  }

  *#copiedTo(destination: Destination): Generator<InstanceId, undefined> {
    for (const { id, told } of this.#told.sorted()) if (told.get(destination) === 'copied') yield id;
  }

  /** What the listings told of an instance that nothing was noted of. */
  #equalEverywhere(): ToldOutcomes {
    return new Map(this.#options.destinations.map((destination) => [destination, 'already-equal']));
  }

  /** The ids that destinations are said to hold, in ascending order. */
  #claimed(options: InventoryOptions): AsyncIterable<InventoryEntry> {
    return this.#options.source?.inventory(options) ?? this.#noted();
  }

  async *#noted(): AsyncGenerator<InventoryEntry> {
    for (const { id } of this.#told.sorted()) yield { id, md5: undefined, sizeBytes: undefined };
  }
}

function ifMirrorError(error: unknown): undefined {
  if (!isMirrorError(error)) throw error;
}

/** @returns `undefined` if the server was never quiet: count and feed would not be of one moment. */
async function markOf(witness: Witness, options: CallOptions): Promise<Mark | undefined> {
  for (let attempt = 1; attempt <= markAttempts; attempt += 1) {
    const last = await witness.lastChange(options);
    const count = await witness.countInstances(options);
    if ((await witness.lastChange(options)) === last) return { last, count };
  }
  return undefined;
}

/** The instances that a server stored between two moments and still held when this was asked. */
async function storedBetween(
  witness: Witness,
  { last: from }: Mark,
  { last: to }: Mark,
  { signal }: CallOptions,
): Promise<InstanceIdList> {
  const stored = new InstanceIdList();
  if (from === to) return stored;
  for await (const page of witness.changePages({ since: from, signal })) {
    for (const change of page.changes) if (change.seq <= to && isNewInstance(change)) stored.add(change.id);
    if (page.last >= to) break;
  }
  return stored;
}

function isNewInstance(change: Change): change is Change & { readonly id: InstanceId } {
  return change.type === 'NewInstance' && isInstanceId(change.id);
}
