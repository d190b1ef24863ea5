/** Remembers what was told of each instance, in 22 bytes, so that it can be corrected. */
import type { CopyResult, Destination, OutcomeKind } from '../copy/outcome.ts';
import type { InstanceId } from '../identifiers.ts';
import { InstanceIdList } from '../stores/orthanc/instance-id-list.ts';

/** What was told of one instance at each destination. */
export type ToldOutcomes = ReadonlyMap<Destination, OutcomeKind>;

export class ToldOutcomesLog {
  readonly #destinations: readonly Destination[];
  readonly #ids = new InstanceIdList();
  /** For each id the position of its combination of outcomes: there are few of these, however many instances. */
  #combinations = new Uint16Array(1024);
  readonly #positions = new Map<string, number>();
  readonly #known: ToldOutcomes[] = [];

  constructor(destinations: readonly Destination[]) {
    this.#destinations = destinations;
  }

  get count(): number {
    return this.#ids.count;
  }

  add({ id, outcomes }: Pick<CopyResult, 'id' | 'outcomes'>): void {
    if (this.count === this.#combinations.length) {
      const larger = new Uint16Array(this.#combinations.length * 2);
      larger.set(this.#combinations);
      this.#combinations = larger;
    }
    this.#combinations[this.count] = this.#positionOf(outcomes);
    this.#ids.add(id);
  }

  /** What was told, in ascending order of id; of an id that was told of twice the last. */
  *sorted(): Generator<{ readonly id: InstanceId; readonly told: ToldOutcomes }> {
    for (const { id, position } of this.#ids.sortedPositions()) {
      const told = this.#known[this.#combinations[position] ?? 0];
      if (told !== undefined) yield { id, told };
    }
  }

  #positionOf(outcomes: CopyResult['outcomes']): number {
    const kinds = this.#destinations.map((one) => outcomes.find(({ destination }) => destination === one)?.kind);
    const key = kinds.join();
    const known = this.#positions.get(key);
    if (known !== undefined) return known;
    this.#positions.set(key, this.#known.length);
    return this.#known.push(new Map(outcomes.map(({ destination, kind }) => [destination, kind]))) - 1;
  }
}
