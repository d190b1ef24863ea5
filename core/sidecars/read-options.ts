import type { CallOptions } from '../call-options.ts';
import type { OrthancId } from '../identifiers.ts';
import type { StudySidecar } from './sidecar.ts';
import { knownCaches, type SkipList } from './skip-list.ts';

export interface ReadOptions extends CallOptions {
  /** User numbers that are not copied; by default {@link knownCaches}. */
  readonly skip?: SkipList | undefined;
  /**
   * Numbers of named user metadata (`UserMetadata` of the server's configuration), for servers before 1.12.0, which
   * list names and do not tell their numbers.
   */
  readonly metadataNumbers?: Readonly<Record<string, number>> | undefined;
  /** An earlier document of the study: spares old servers a request per instance whose file is still the same. */
  readonly earlier?: StudySidecar | undefined;
  /** `false`: hashes of the instances are not needed, which spares old servers a request per instance. */
  readonly instanceHashes?: boolean | undefined;
}

/** @returns the skip list in force. */
export function skipListOf(options: ReadOptions): SkipList {
  return options.skip ?? knownCaches;
}

/** Requests at a time to one server while one study is read. */
export const readWidth = 4;

/** The path of a resource; `level` as in the REST interface. */
export function resourcePath(level: 'patients' | 'studies' | 'series' | 'instances', id: OrthancId): string {
  return `/${level}/${id}`;
}
