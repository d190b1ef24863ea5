/** Applies a filter to an Orthanc server: to its whole inventory by its own search, to one instance by asking for it. */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { InventoryEntry, InventoryOptions, Store } from '../../stores/store.ts';
import type { Filter } from './filter-schema.ts';
import { dateRange, matches } from './matches.ts';

/** Studies that one search names; their identifiers are at most 64 characters each. */
const studiesPerSearch = 100;

const idsSchema = listOf(z.custom<InstanceId>(isInstanceId));
const studiesSchema = listOf(z.object({ MainDicomTags: z.looseObject({ StudyInstanceUID: z.string() }) }));
const tags = z.looseObject({
  Modality: z.string().default(''),
  StudyDate: z.string().default(''),
  PatientID: z.string().default(''),
});
const parentSchema = z.object({
  MainDicomTags: tags,
  PatientMainDicomTags: tags.optional(),
  Labels: listOf(z.string()).default([]),
});

/** What a mirror with a filter takes from its source. */
export class Selection {
  readonly #source: OrthancStore;
  readonly #filter: Filter;
  readonly #now: () => Date;

  constructor(source: OrthancStore, filter: Filter, now: () => Date = () => new Date()) {
    this.#source = source;
    this.#filter = filter;
    this.#now = now;
  }

  /** The source as if it held only what is selected: for comparisons. What it opens is not checked. */
  get inventory(): Store['inventory'] {
    return (options) => this.#selected(options ?? {});
  }

  /** Whether the source holds the instance and it is selected. */
  async selects(id: InstanceId, options: CallOptions = {}): Promise<boolean> {
    const { client } = this.#source;
    const [series, study] = await Promise.all([
      client.findJson(`/instances/${id}/series`, parentSchema, options),
      client.findJson(`/instances/${id}/study`, parentSchema, options),
    ]);
    if (series === undefined || study === undefined) return false;
    const facts = {
      modality: series.MainDicomTags.Modality.trim(),
      studyDate: study.MainDicomTags.StudyDate.trim(),
      patientId: study.PatientMainDicomTags?.PatientID.trim() ?? '',
      labels: study.Labels,
    };
    return matches(this.#filter, facts, this.#now());
  }

  async *#selected(options: InventoryOptions): AsyncGenerator<InventoryEntry> {
    const ids = await this.#search(options);
    for await (const entry of this.#source.inventory(options)) if (ids.has(entry.id)) yield entry;
  }

  /** Ids of all that is selected: 1 request, and with labels 1 more per 100 studies; about 100 bytes of memory each. */
  async #search({ signal }: CallOptions): Promise<ReadonlySet<InstanceId>> {
    const { labels } = this.#filter;
    if (labels === undefined) return new Set(await this.#find({}, signal));
    const { version } = await this.#source.capabilities({ signal });
    if (!hasLabels(version)) {
      throw new MirrorError('configuration', `${this.#source.name} knows no labels; it needs Orthanc 1.12.0 or newer`);
    }
    const labelled = await this.#source.client.queryJson(
      '/tools/find',
      { Level: 'Study', Expand: true, Query: {}, Labels: labels, LabelsConstraint: 'Any' },
      studiesSchema,
      { signal, long: true },
    );
    const uids = labelled.map(({ MainDicomTags }) => MainDicomTags.StudyInstanceUID);
    const ids = new Set<InstanceId>();
    for (let start = 0; start < uids.length; start += studiesPerSearch) {
      const StudyInstanceUID = uids.slice(start, start + studiesPerSearch).join('\\');
      for (const id of await this.#find({ StudyInstanceUID }, signal)) ids.add(id);
    }
    return ids;
  }

  #find(studies: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<InstanceId[]> {
    const { modalities, studyDate, patients } = this.#filter;
    const query = {
      ...studies,
      ...(modalities === undefined ? {} : { Modality: modalities.join('\\') }),
      ...(patients === undefined ? {} : { PatientID: patients.join('\\') }),
      ...(studyDate === undefined ? {} : { StudyDate: dateRange(studyDate, this.#now()).join('-') }),
    };
    const search = { Level: 'Instance', CaseSensitive: true, Query: query };
    return this.#source.client.queryJson('/tools/find', search, idsSchema, { signal, long: true });
  }
}

function hasLabels(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return version === 'mainline' || major > 1 || (major === 1 && minor >= 12);
}
