/** The instances of a hospital, which exist only as numbers: twenty million of them take some bytes each. */
import {
  type InstanceId,
  isInstanceId,
  isMd5,
  type Md5,
  type OrthancId,
  orthancIdOf,
} from '../../../core/identifiers.ts';

const idSpace = 2 ** 32;

/** Ids that are spread as hashes are, of which the n-th and the one at any place can be told at once. */
export class HospitalInstances {
  /** So many can ever be. */
  readonly capacity: number;
  /** Instances of a study; they have neighbouring numbers. */
  readonly perStudy: number;
  readonly studies: readonly OrthancId[];
  readonly #factor: number;
  readonly #inverse: number;
  readonly #numbers: ReadonlyMap<string, number>;

  constructor({ capacity, studies }: { readonly capacity: number; readonly studies: number }) {
    this.capacity = capacity;
    this.perStudy = Math.ceil(capacity / studies);
    this.studies = Array.from({ length: studies }, (_, n) => orthancIdOf('patient', `study ${n}`));
    this.#numbers = new Map(this.studies.map((id, n) => [id, n]));
    let factor = Math.floor(capacity * 0.618);
    while (greatestDivisor(factor, capacity) > 1) factor += 1;
    this.#factor = factor;
    this.#inverse = inverseOf(factor, capacity);
  }

  /** The place of an instance among all ids. */
  placeOf(n: number): number {
    return (n * this.#factor) % this.capacity;
  }

  /** The instance at a place. */
  at(place: number): number {
    return (place * this.#inverse) % this.capacity;
  }

  idOf(n: number): InstanceId {
    const place = this.placeOf(n);
    const first = Math.floor((place * idSpace) / this.capacity);
    const id = [first, place, n, 0, 0].map((part) => part.toString(16).padStart(8, '0')).join('-');
    if (!isInstanceId(id)) throw new Error('the id has another form');
    return id;
  }

  numberOf(id: InstanceId): number {
    return Number.parseInt(id.slice(18, 26), 16);
  }

  /** The first place behind an id of an instance. */
  placeBehind(id: string | undefined): number {
    return id === undefined ? 0 : Number.parseInt(id.slice(9, 17), 16) + 1;
  }

  md5Of(n: number): Md5 {
    const md5 = (n + 1).toString(16).padStart(32, '0');
    if (!isMd5(md5)) throw new Error('the hash has another form');
    return md5;
  }

  /** Numbers of the instances of a study: from the first up to, not including, the second. */
  rangeOf(study: string): readonly [number, number] {
    const number = this.#numbers.get(study) ?? 0;
    return [number * this.perStudy, Math.min(this.capacity, (number + 1) * this.perStudy)];
  }
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** The number that undoes a multiplication, modulo another (extended Euclid). */
function inverseOf(factor: number, modulus: number): number {
  let [remainder, next] = [factor, modulus];
  let [coefficient, nextCoefficient] = [1, 0];
  while (next !== 0) {
    const quotient = Math.floor(remainder / next);
    [remainder, next] = [next, remainder - quotient * next];
    [coefficient, nextCoefficient] = [nextCoefficient, coefficient - quotient * nextCoefficient];
  }
  return ((coefficient % modulus) + modulus) % modulus;
}
