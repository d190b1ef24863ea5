/** Resources of an archive by their Orthanc ids. */
import { isInstanceId, isOrthancId, type OrthancId, type ResourceLevel } from '../../identifiers.ts';
import type { PatientSidecar } from '../../sidecars/sidecar.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import { notFound } from '../web/message.ts';

/** A patient, study, series or instance, with the studies that it consists of or belongs to. */
export type Resource =
  | {
      readonly level: 'patients';
      readonly id: OrthancId;
      readonly studies: readonly StudyContent[];
      readonly sidecar: PatientSidecar | undefined;
    }
  | { readonly level: 'studies'; readonly id: OrthancId; readonly study: StudyContent }
  | { readonly level: 'series'; readonly id: OrthancId; readonly study: StudyContent }
  | {
      readonly level: 'instances';
      readonly id: OrthancId;
      readonly study: StudyContent;
      readonly instance: StudyInstance;
    };

/** Finds a resource. Throws `WebError` 404. */
export async function resourceAt(reader: ArchiveReader, level: ResourceLevel, id: string): Promise<Resource> {
  const found = isOrthancId(id) ? await find(reader, level, id) : undefined;
  if (found === undefined || instancesOf(found).length === 0) throw notFound('such a resource');
  return found;
}

/** Its instances. */
export function instancesOf(resource: Resource): readonly StudyInstance[] {
  switch (resource.level) {
    case 'patients':
      return resource.studies.flatMap(({ instances }) => instances);
    case 'studies':
      return resource.study.instances;
    case 'series':
      return resource.study.instances.filter(({ series }) => series === resource.id);
    case 'instances':
      return [resource.instance];
  }
}

async function find(reader: ArchiveReader, level: ResourceLevel, id: OrthancId): Promise<Resource | undefined> {
  if (level === 'patients') return patientOf(reader, id);
  if (level === 'instances') {
    const instance = isInstanceId(id) ? await reader.instance(id) : undefined;
    const study = instance && (await reader.study(instance.study));
    return instance && study && { level, id, study, instance };
  }
  const study = level === 'studies' ? await reader.study(id) : await reader.studyOfSeries(id);
  return study && { level, id, study };
}

/** A patient with all studies. */
export async function patientOf(reader: ArchiveReader, id: OrthancId): Promise<Resource> {
  const entries = (await reader.studies()).filter(({ patient }) => patient === id);
  const contents = await Promise.all(entries.map(({ study }) => reader.study(study)));
  const studies = contents.filter((content) => content !== undefined).filter(({ instances }) => instances.length > 0);
  const archived = studies.length === 0 ? undefined : await reader.patient(id);
  return { level: 'patients', id, studies, sidecar: archived?.document };
}
