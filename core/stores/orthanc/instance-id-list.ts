import { type InstanceId, isInstanceId } from '../../identifiers.ts';

const wordsPerId = 5;

/** Many instance ids in 20 bytes each; sorted on demand (4 bytes more each). */
export class InstanceIdList {
  #words = new Uint32Array(1024 * wordsPerId);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(id: InstanceId): void {
    const start = this.#count * wordsPerId;
    if (start === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    for (let word = 0; word < wordsPerId; word += 1) {
      this.#words[start + word] = Number.parseInt(id.slice(word * 9, word * 9 + 8), 16);
    }
    this.#count += 1;
  }

  /** Yields the ids in ascending order, equal ones once. The list must not grow meanwhile. */
  *sorted(): Generator<InstanceId> {
    for (const { id } of this.sortedPositions()) yield id;
  }

  /** The same, with the position at which each was added; of equal ones the last. */
  *sortedPositions(): Generator<{ readonly id: InstanceId; readonly position: number }> {
    const words = this.#words;
    const order = Uint32Array.from({ length: this.#count }, (_, position) => position);
    order.sort((a, b) => compareAt(words, a * wordsPerId, b * wordsPerId) || a - b);
    for (const [index, position] of order.entries()) {
      const next = order[index + 1];
      const isLast = next === undefined || compareAt(words, position * wordsPerId, next * wordsPerId) !== 0;
      if (isLast) yield { id: textAt(words, position * wordsPerId), position };
    }
  }
}

function compareAt(words: Uint32Array, a: number, b: number): number {
  for (let word = 0; word < wordsPerId; word += 1) {
    const difference = (words[a + word] ?? 0) - (words[b + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function textAt(words: Uint32Array, start: number): InstanceId {
  const groups = [...words.subarray(start, start + wordsPerId)].map((word) => word.toString(16).padStart(8, '0'));
  const id = groups.join('-');
  if (!isInstanceId(id)) throw new Error('an id was kept in another form');
  return id;
}
