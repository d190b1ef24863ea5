/** The state of a mirror: small JSON documents under `state/`, written on the condition that nobody else did. */
import type { z } from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { documentBytes, readDocument } from './json-document.ts';
import { stateKey } from './keys.ts';
import type { ObjectStorage } from './object-storage.ts';

/** A value and the version of its document, which the next write must name. */
export interface VersionedValue<T> {
  readonly value: T;
  readonly version: string;
}

/** One document of state. */
export class StateDocument<T> {
  readonly #objects: ObjectStorage;
  readonly #key: string;
  readonly #schema: z.ZodType<T>;

  /** `name` is the key without `state/` and `.json`; `schema` is what the document must fit when read. */
  constructor(objects: ObjectStorage, name: string, schema: z.ZodType<T>) {
    this.#objects = objects;
    this.#key = stateKey(name);
    this.#schema = schema;
  }

  /** @returns the value, or `undefined` if it was never written. Throws `archive-format` if the document is damaged. */
  async read(options?: CallOptions): Promise<VersionedValue<T> | undefined> {
    const document = await readDocument(this.#objects, this.#key, this.#schema, options);
    return document && { value: document.value, version: document.etag };
  }

  /**
   * Writes the value if the document still has `version` (`null`: was never written), and @returns its new version.
   * Throws `changed-meanwhile` if another process wrote since: read again and decide anew.
   */
  async write(value: T, version: string | null, options?: CallOptions): Promise<string> {
    const outcome = await this.#objects.replaceIf(this.#key, documentBytes(value), version, options);
    if (outcome === 'changed') {
      throw new MirrorError('changed-meanwhile', `${this.#objects.name}: ${this.#key} was written by another process`);
    }
    return outcome.etag;
  }
}
