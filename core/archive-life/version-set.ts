import type { InstanceId, Md5 } from '../identifiers.ts';

const wordsOfId = 5;
const wordsOfMd5 = 4;
const words = wordsOfId + wordsOfMd5;

/** Versions of instances, in 36 bytes each and 4 more once it is asked. */
export class VersionSet {
  #values = new Uint32Array(1024 * words);
  #count = 0;
  /** Where each version begins, in order; made anew when something was added. */
  #order: Uint32Array | undefined;

  add(id: InstanceId, md5: Md5): void {
    const start = this.#count * words;
    if (start === this.#values.length) {
      const larger = new Uint32Array(this.#values.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.set(wordsIn(id, md5), start);
    this.#count += 1;
    this.#order = undefined;
  }

  has(id: InstanceId, md5: Md5): boolean {
    const wanted = wordsIn(id, md5);
    const order = this.#sorted();
    let low = 0;
    let high = order.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const difference = compare(this.#values, order[middle] ?? 0, wanted, 0);
      if (difference === 0) return true;
      if (difference < 0) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }

  #sorted(): Uint32Array {
    if (this.#order === undefined) {
      const values = this.#values;
      this.#order = Uint32Array.from({ length: this.#count }, (_, index) => index * words);
      this.#order.sort((a, b) => compare(values, a, values, b));
    }
    return this.#order;
  }
}

function wordsIn(id: InstanceId, md5: Md5): Uint32Array {
  const digits = id.replaceAll('-', '') + md5;
  return Uint32Array.from({ length: words }, (_, word) => Number.parseInt(digits.slice(word * 8, word * 8 + 8), 16));
}

function compare(a: Uint32Array, startOfA: number, b: Uint32Array, startOfB: number): number {
  for (let word = 0; word < words; word += 1) {
    const difference = (a[startOfA + word] ?? 0) - (b[startOfB + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
