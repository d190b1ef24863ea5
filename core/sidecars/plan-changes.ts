/** What must be written to a place so that it holds what a document says. Pure. */
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { isSameValue, type MetadataValue } from './metadata-value.ts';
import {
  type AttachmentContent,
  type InstanceRecord,
  noContent,
  type PatientSidecar,
  type ResourceContent,
  type StudySidecar,
} from './sidecar.ts';
import { includesNumber, type SkipList } from './skip-list.ts';

/** The resource that a change is made to. */
export interface At {
  readonly level: ResourceLevel;
  readonly id: OrthancId;
}

/** One request to a server. `replaces`: the server holds another value under the number. */
export type ContentChange = At &
  (
    | { readonly kind: 'put-label' | 'delete-label'; readonly label: string }
    | {
        readonly kind: 'put-metadata';
        readonly number: number;
        readonly value: MetadataValue;
        readonly replaces: boolean;
      }
    | {
        readonly kind: 'put-attachment';
        readonly number: number;
        readonly attachment: AttachmentContent;
        readonly replaces: boolean;
      }
    | { readonly kind: 'delete-metadata' | 'delete-attachment'; readonly number: number }
    | { readonly kind: 'protect'; readonly protected: boolean }
  );

/** A value that stays as it is although the document has another one. */
export interface KeptValue extends At {
  readonly what: 'label' | 'metadata' | 'attachment' | 'protection';
  /** Of metadata and attachments. */
  readonly number?: number;
}

/**
 * - `equal`: the place shall hold what the document says, no more and no less: a mirror.
 * - `add`: what is missing is added, and all that is there stays: a restore.
 * - `finish`: as `add`, for what was deleted by ourselves a while ago: labels are one value, which stays if somebody has
 *   given others meanwhile.
 */
export type ApplyMode = 'equal' | 'add' | 'finish';

export interface PlanOptions {
  readonly mode: ApplyMode;
  /** Whether the server can hold labels; they are left alone otherwise. */
  readonly labels: boolean;
  readonly skip: SkipList;
  /** Change these resources only; absent: all. */
  readonly only?: ReadonlySet<OrthancId> | undefined;
  /**
   * Takes instances that are not there for instances that carry nothing, as they will be when they have come; absent:
   * nothing is planned for them.
   */
  readonly expected?: ((id: OrthancId) => boolean) | undefined;
}

export interface Plan {
  readonly changes: readonly ContentChange[];
  /** What differs and stays; empty in the mode `equal`. */
  readonly kept: readonly KeptValue[];
  /** Instances of the document that the place does not hold: nothing can be written to them yet. */
  readonly lacking: readonly InstanceRecord[];
}

/**
 * Compares a sidecar with what a place holds, if anything. Series and instances that only the place holds are
 * left alone: they are the business of the comparison of inventories.
 */
export function planStudy(document: StudySidecar, held: StudySidecar | undefined, options: PlanOptions): Plan {
  const plan = new Planner(options);
  const comes = (series: readonly InstanceRecord[]) => series.some(({ id }) => options.expected?.(id));
  if (held !== undefined || document.series.some(({ instances }) => comes(instances))) {
    plan.compare({ level: 'studies', id: document.id }, document, held ?? noContent);
  }
  const heldSeries = new Map(held?.series.map((series) => [series.id, series]));
  for (const series of document.series) {
    const heldOne = heldSeries.get(series.id);
    if (heldOne !== undefined || comes(series.instances)) {
      plan.compare({ level: 'series', id: series.id }, series, heldOne ?? noContent);
    }
    const heldInstances = new Map(heldOne?.instances.map((instance) => [instance.id, instance]));
    for (const instance of series.instances) {
      const there = heldInstances.get(instance.id);
      if (there === undefined) plan.lacking.push(instance);
      if (there === undefined && options.expected?.(instance.id) !== true) continue;
      plan.compare({ level: 'instances', id: instance.id }, instance, there ?? noContent);
    }
  }
  return plan;
}

/** Compares a patient sidecar with what a place holds, if anything. */
export function planPatient(document: PatientSidecar, held: PatientSidecar | undefined, options: PlanOptions): Plan {
  const plan = new Planner(options);
  const at = { level: 'patients', id: document.id } as const;
  plan.compare(at, document, held ?? noContent);
  const isProtected = held?.protected ?? false;
  if (document.protected === isProtected || options.only?.has(document.id) === false) return plan;
  if (options.mode === 'equal' || document.protected) {
    plan.changes.push({ ...at, kind: 'protect', protected: document.protected });
  } else {
    plan.kept.push({ ...at, what: 'protection' });
  }
  return plan;
}

/** Collects a plan, resource by resource. */
class Planner implements Plan {
  readonly changes: ContentChange[] = [];
  readonly kept: KeptValue[] = [];
  readonly lacking: InstanceRecord[] = [];
  readonly #options: PlanOptions;

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  compare(at: At, wanted: ResourceContent, held: ResourceContent): void {
    const { only, labels, skip } = this.#options;
    if (only?.has(at.id) === false) return;
    if (labels) this.#compareLabels(at, wanted.labels, held.labels);
    this.#compareMetadata(at, differing(wanted.metadata, held.metadata, skip.metadata, isSameValue));
    this.#compareAttachments(
      at,
      differing(wanted.attachments, held.attachments, skip.attachments, (a, b) => a.md5 === b.md5),
    );
  }

  #compareLabels(at: At, wanted: readonly string[], held: readonly string[]): void {
    const missing = wanted.filter((label) => !held.includes(label));
    const extra = held.filter((label) => !wanted.includes(label));
    const { mode } = this.#options;
    if (mode === 'finish' && extra.length > 0) {
      if (missing.length > 0) this.kept.push({ ...at, what: 'label' });
      return;
    }
    this.changes.push(...missing.map((label): ContentChange => ({ ...at, kind: 'put-label', label })));
    if (mode !== 'equal') return;
    this.changes.push(...extra.map((label): ContentChange => ({ ...at, kind: 'delete-label', label })));
  }

  #compareMetadata(at: At, values: readonly DifferingValue<MetadataValue>[]): void {
    for (const { number, wanted: value, replaces } of values) {
      if (value === undefined) this.#remove({ ...at, kind: 'delete-metadata', number });
      else if (this.#keeps(replaces)) this.kept.push({ ...at, what: 'metadata', number });
      else this.changes.push({ ...at, kind: 'put-metadata', number, value, replaces });
    }
  }

  #compareAttachments(at: At, values: readonly DifferingValue<AttachmentContent>[]): void {
    for (const { number, wanted: attachment, replaces } of values) {
      if (attachment === undefined) this.#remove({ ...at, kind: 'delete-attachment', number });
      else if (this.#keeps(replaces)) this.kept.push({ ...at, what: 'attachment', number });
      else this.changes.push({ ...at, kind: 'put-attachment', number, attachment, replaces });
    }
  }

  #remove(change: ContentChange): void {
    if (this.#options.mode === 'equal') this.changes.push(change);
  }

  #keeps(replaces: boolean): boolean {
    return replaces && this.#options.mode !== 'equal';
  }
}

interface DifferingValue<Value> {
  readonly number: number;
  /** What the document has; `undefined`: nothing. */
  readonly wanted: Value | undefined;
  /** The place holds another value. */
  readonly replaces: boolean;
}

function differing<Value>(
  wanted: Readonly<Record<string, Value>>,
  held: Readonly<Record<string, Value>>,
  skip: SkipList['metadata'],
  equal: (a: Value, b: Value) => boolean,
): readonly DifferingValue<Value>[] {
  const numbers = [...new Set([...Object.keys(wanted), ...Object.keys(held)])].map(Number);
  return numbers
    .filter((number) => !includesNumber(skip, number))
    .flatMap((number) => {
      const value = wanted[number];
      const present = held[number];
      if (value !== undefined && present !== undefined && equal(value, present)) return [];
      return [{ number, wanted: value, replaces: present !== undefined }];
    });
}
