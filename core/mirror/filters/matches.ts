/** Whether an instance is to be mirrored. Pure. */
import type { Filter } from './filter-schema.ts';

/** What a filter looks at; empty where the file has no such value. */
export interface InstanceFacts {
  readonly modality: string;
  /** `YYYYMMDD`. */
  readonly studyDate: string;
  readonly patientId: string;
  /** Of the study. */
  readonly labels: readonly string[];
}

/** @param now decides what `withinDays` means */
export function matches({ modalities, studyDate, labels, patients }: Filter, facts: InstanceFacts, now: Date): boolean {
  const [from, to] = dateRange(studyDate, now);
  return (
    (modalities?.includes(facts.modality) ?? true) &&
    (patients?.includes(facts.patientId) ?? true) &&
    (labels === undefined || labels.some((label) => facts.labels.includes(label))) &&
    (studyDate === undefined || (/^\d{8}$/.test(facts.studyDate) && facts.studyDate >= from && facts.studyDate <= to))
  );
}

const dayMs = 86_400_000;

/** First and last day, `YYYYMMDD`, in UTC: a study of today may be of tomorrow where the server stands. */
export function dateRange(studyDate: Filter['studyDate'], now: Date): readonly [string, string] {
  const { from = '00000101', to = '99991231', withinDays } = studyDate ?? {};
  if (withinDays === undefined) return [from, to];
  const earliest = new Date(now.getTime() - withinDays * dayMs).toISOString().slice(0, 10).replaceAll('-', '');
  return [earliest > from ? earliest : from, to];
}
