/** What a hospital does to its server: uploads, overwrites, deletions and edits, chosen by a seed. */
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import type { Place } from '../../local/dicom/identifiers.ts';
import type { SeededRandom } from './random.ts';

export interface TrafficCounts {
  uploads: number;
  overwrites: number;
  deletions: number;
  edits: number;
  /** Asked for while the server was away. */
  unanswered: number;
}

const answerWithinMs = 20_000;
const levels = ['patients', 'studies', 'series', 'instances'] as const;

export class Traffic {
  readonly #url: string;
  readonly #random: SeededRandom;
  readonly #onUploaded: (instance: GeneratedInstance) => void;
  readonly #places: Place[] = [];
  readonly counts: TrafficCounts = { uploads: 0, overwrites: 0, deletions: 0, edits: 0, unanswered: 0 };
  #studies = 0;
  #versions = 0;

  /** @param onUploaded called with each new instance that the server said it stored */
  constructor(url: string, random: SeededRandom, onUploaded: (instance: GeneratedInstance) => void) {
    this.#url = url;
    this.#random = random;
    this.#onUploaded = onUploaded;
  }

  /** Does one thing. What the server does not answer is counted and left. */
  async step(): Promise<void> {
    const dice = this.#random.next();
    try {
      if (dice < 0.45 || this.#places.length < 10) await this.#upload();
      else if (dice < 0.5) await this.#overwrite();
      else if (dice < 0.54) await this.#delete();
      else await this.#edit();
    } catch {
      this.counts.unanswered += 1;
    }
  }

  /** A study, or more instances of one. */
  async #upload(): Promise<void> {
    const isNew = this.#random.next() >= 0.3;
    if (isNew) this.#studies += 1;
    const study = isNew ? this.#studies : this.#random.whole(0, this.#studies);
    const count = this.#random.whole(1, 6);
    for (let n = 0; n < count; n += 1) {
      const patient = Math.floor(study / 3);
      const place = {
        seed: 'soak',
        patient,
        study,
        series: study * 2 + this.#random.whole(0, 1),
        instance: this.#versions,
      };
      const instance = generateInstance(place, this.#size());
      await this.#post(instance);
      this.#places.push(place);
      this.counts.uploads += 1;
      this.#onUploaded(instance);
    }
  }

  /** Other bytes under the same identifiers, never the same bytes twice. */
  async #overwrite(): Promise<void> {
    const place = this.#random.pick(this.#places);
    if (place === undefined) return;
    await this.#post(generateInstance(place, this.#size()));
    this.counts.overwrites += 1;
  }

  async #delete(): Promise<void> {
    const [level, id] = await this.#anyOf(this.#random.next() < 0.2 ? 'studies' : 'instances');
    if (id === undefined) return;
    await this.#call('DELETE', `/${level}/${id}`);
    this.counts.deletions += 1;
  }

  async #edit(): Promise<void> {
    const [level, id] = await this.#anyOf(this.#random.pick(levels) ?? 'studies');
    if (id === undefined) return;
    const path = `/${level}/${id}`;
    this.#versions += 1;
    const text = `version ${this.#versions} of ${id}, é`;
    const kind = this.#random.whole(0, 4);
    if (kind === 0) await this.#call('PUT', `${path}/labels/label-${this.#random.whole(0, 5)}`, '');
    else if (kind === 1)
      await this.#call('DELETE', `${path}/labels/label-${this.#random.whole(0, 5)}`, undefined, [404]);
    else if (kind === 2) await this.#call('PUT', `${path}/attachments/${1040 + this.#random.whole(0, 2)}`, text);
    else if (kind === 3 && level === 'patients')
      await this.#call('PUT', `${path}/protected`, `${this.#random.whole(0, 1)}`);
    else await this.#call('PUT', `${path}/metadata/${1030 + this.#random.whole(0, 2)}`, text);
    this.counts.edits += 1;
  }

  /** A resource that the server holds now. */
  async #anyOf(level: string): Promise<readonly [string, string | undefined]> {
    const ids: unknown = JSON.parse(await this.#call('GET', `/${level}`));
    return [level, Array.isArray(ids) ? this.#random.pick(ids.map(String)) : undefined];
  }

  /** Every size gives other bytes: none is used twice. */
  #size(): number {
    this.#versions += 1;
    const usual = this.#random.next() < 0.05 ? 5 * 1024 ** 2 : this.#random.whole(4, 200) * 1024;
    return usual + 2 * this.#versions;
  }

  async #post({ bytes }: GeneratedInstance): Promise<void> {
    await this.#call('POST', '/instances', bytes);
  }

  async #call(
    method: string,
    path: string,
    body?: string | Uint8Array,
    accepted: readonly number[] = [],
  ): Promise<string> {
    const answer = await fetch(this.#url + path, {
      method,
      signal: AbortSignal.timeout(answerWithinMs),
      ...(body !== undefined && { body: typeof body === 'string' ? body : Uint8Array.from(body) }),
    });
    const text = await answer.text();
    if (!answer.ok && !accepted.includes(answer.status)) throw new Error(`${method} ${path}: ${answer.status}`);
    return text;
  }
}
