/** The studies of an archive in memory, the newest first. */
import type { StudyEntry } from '../../archive-life/catalogue/study-entry.ts';
import type { OrthancId } from '../../identifiers.ts';

export class StudyList {
  readonly #entries = new Map<OrthancId, StudyEntry>();
  #byUid: Map<string, OrthancId[]> | undefined;
  #sorted: readonly StudyEntry[] | undefined;

  get size(): number {
    return this.#entries.size;
  }

  get(id: OrthancId): StudyEntry | undefined {
    return this.#entries.get(id);
  }

  put(entry: StudyEntry): void {
    if (this.#entries.get(entry.study)?.key === entry.key && entry.key !== undefined) return;
    this.#entries.set(entry.study, entry);
    this.#forget();
  }

  remove(id: OrthancId): void {
    if (this.#entries.delete(id)) this.#forget();
  }

  /** The studies of a StudyInstanceUID: several where patients share it. */
  idsOf(studyInstanceUid: string): readonly OrthancId[] {
    this.#byUid ??= Map.groupBy(this.#entries.keys(), (id) => this.#entries.get(id)?.studyInstanceUid ?? '');
    return studyInstanceUid === '' ? [] : (this.#byUid.get(studyInstanceUid) ?? []);
  }

  /** By date of the study, the newest first, those without a date last; then by id, so that pages do not shift. */
  sorted(): readonly StudyEntry[] {
    this.#sorted ??= Array.from(this.#entries.values(), (entry) => ({ entry, moment: momentOf(entry) }))
      .sort((a, b) => compare(b.moment, a.moment) || compare(a.entry.study, b.entry.study))
      .map(({ entry }) => entry);
    return this.#sorted;
  }

  #forget(): void {
    this.#byUid = undefined;
    this.#sorted = undefined;
  }
}

function momentOf({ studyDate = '', otherTags }: StudyEntry): string {
  return `${studyDate} ${otherTags.StudyTime ?? ''}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
