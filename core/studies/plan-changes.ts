/** What must be written to a server so that it holds what a document says. Pure. */
import type { OrthancId, ResourceLevel } from '../identifiers.ts';
import { includesNumber, type SkipList } from './skip-list.ts';
import type { AttachmentContent, PatientDocument, ResourceContent, StudyDocument } from './study-document.ts';

/** The resource that a change is made to. */
interface At {
  readonly level: ResourceLevel;
  readonly id: OrthancId;
}

/** One request to a server. `replaces`: the server holds another value under the number. */
export type ContentChange = At &
  (
    | { readonly kind: 'put-label' | 'delete-label'; readonly label: string }
    | { readonly kind: 'put-metadata'; readonly number: number; readonly value: string; readonly replaces: boolean }
    | {
        readonly kind: 'put-attachment';
        readonly number: number;
        readonly attachment: AttachmentContent;
        readonly replaces: boolean;
      }
    | { readonly kind: 'delete-metadata' | 'delete-attachment'; readonly number: number }
    | { readonly kind: 'protect'; readonly protected: boolean }
  );

export interface PlanOptions {
  /** Whether the server can hold labels; they are left alone otherwise. */
  readonly labels: boolean;
  readonly skip: SkipList;
}

export interface StudyPlan {
  readonly changes: readonly ContentChange[];
  /** Instances of the document that the server does not hold: nothing can be written to them yet. */
  readonly pendingInstances: number;
}

/**
 * Compares a study document with what a server holds. Series and instances that only the server holds are left alone:
 * they are the business of the comparison of inventories.
 */
export function planStudy(document: StudyDocument, held: StudyDocument, options: PlanOptions): StudyPlan {
  const changes = planContent({ level: 'studies', id: document.id }, document, held, options);
  const heldSeries = new Map(held.series.map((series) => [series.id, series]));
  let pendingInstances = 0;
  for (const series of document.series) {
    const heldOne = heldSeries.get(series.id);
    if (heldOne !== undefined)
      changes.push(...planContent({ level: 'series', id: series.id }, series, heldOne, options));
    const heldInstances = new Map(heldOne?.instances.map((instance) => [instance.id, instance]));
    for (const instance of series.instances) {
      const there = heldInstances.get(instance.id);
      if (there === undefined) pendingInstances += 1;
      else changes.push(...planContent({ level: 'instances', id: instance.id }, instance, there, options));
    }
  }
  return { changes, pendingInstances };
}

/** Compares a patient document with what a server holds. */
export function planPatient(
  document: PatientDocument,
  held: PatientDocument,
  options: PlanOptions,
): readonly ContentChange[] {
  const at = { level: 'patients', id: document.id } as const;
  const changes = planContent(at, document, held, options);
  if (document.protected !== held.protected) {
    changes.push({ ...at, kind: 'protect', protected: document.protected });
  }
  return changes;
}

function planContent(at: At, wanted: ResourceContent, held: ResourceContent, options: PlanOptions): ContentChange[] {
  return [
    ...(options.labels ? planLabels(at, wanted.labels, held.labels) : []),
    ...planNumbers(wanted.metadata, held.metadata, options.skip.metadata, (a, b) => a === b).map(
      ({ number, value, replaces }): ContentChange =>
        value === undefined
          ? { ...at, kind: 'delete-metadata', number }
          : { ...at, kind: 'put-metadata', number, value, replaces },
    ),
    ...planNumbers(wanted.attachments, held.attachments, options.skip.attachments, (a, b) => a.md5 === b.md5).map(
      ({ number, value, replaces }): ContentChange =>
        value === undefined
          ? { ...at, kind: 'delete-attachment', number }
          : { ...at, kind: 'put-attachment', number, attachment: value, replaces },
    ),
  ];
}

function planLabels(at: At, wanted: readonly string[], held: readonly string[]): ContentChange[] {
  const missing = wanted.filter((label) => !held.includes(label));
  const extra = held.filter((label) => !wanted.includes(label));
  return [
    ...missing.map((label): ContentChange => ({ ...at, kind: 'put-label', label })),
    ...extra.map((label): ContentChange => ({ ...at, kind: 'delete-label', label })),
  ];
}

interface NumberChange<Value> {
  readonly number: number;
  /** What is wanted; `undefined`: nothing. */
  readonly value: Value | undefined;
  readonly replaces: boolean;
}

function planNumbers<Value>(
  wanted: Readonly<Record<string, Value>>,
  held: Readonly<Record<string, Value>>,
  skip: SkipList['metadata'],
  equal: (a: Value, b: Value) => boolean,
): NumberChange<Value>[] {
  const numbers = [...new Set([...Object.keys(wanted), ...Object.keys(held)])].map(Number);
  return numbers
    .filter((number) => !includesNumber(skip, number))
    .flatMap((number) => {
      const value = wanted[number];
      const present = held[number];
      if (value !== undefined && present !== undefined && equal(value, present)) return [];
      return [{ number, value, replaces: present !== undefined }];
    });
}
