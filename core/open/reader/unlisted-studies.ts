/** Instances that no sidecar lists, by the study that their own headers name. */
import { otherTagNames, type StudyEntry } from '../../archive-life/catalogue/study-entry.ts';
import type { JsonDataSet } from '../../dicom/json-model.ts';
import { isInstanceId, isMd5, type OrthancId } from '../../identifiers.ts';
import type { ArchivedFile } from './archived-file.ts';
import type { InstanceTags } from './instance-tags.ts';
import { textOf } from './tag-text.ts';

const [idBytes, md5Bytes, sizeBytesBytes] = [20, 16, 6];
const fileBytes = idBytes + md5Bytes + sizeBytesBytes;

/** There may be a million: 42 bytes each. */
class PackedFiles {
  #bytes = Buffer.alloc(fileBytes * 4);
  #count = 0;

  add({ id, md5, sizeBytes }: ArchivedFile): void {
    const at = this.#count * fileBytes;
    if (at === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    this.#bytes.write(id.replaceAll('-', ''), at, 'hex');
    this.#bytes.write(md5, at + idBytes, 'hex');
    this.#bytes.writeUIntBE(sizeBytes, at + idBytes + md5Bytes, sizeBytesBytes);
    this.#count += 1;
  }

  *files(): Generator<ArchivedFile> {
    for (let at = 0; at < this.#count * fileBytes; at += fileBytes) {
      const digits = this.#bytes.toString('hex', at, at + idBytes);
      const id = digits.match(/.{8}/g)?.join('-');
      const md5 = this.#bytes.toString('hex', at + idBytes, at + idBytes + md5Bytes);
      const sizeBytes = this.#bytes.readUIntBE(at + idBytes + md5Bytes, sizeBytesBytes);
      if (isInstanceId(id) && isMd5(md5)) yield { id, md5, sizeBytes };
    }
  }
}

/** What is known of one study. */
class UnlistedStudy {
  readonly files = new PackedFiles();
  readonly series = new Set<OrthancId>();
  readonly modalities = new Set<string>();
  readonly #first: InstanceTags;
  instances = 0;
  sizeBytes = 0;

  constructor(first: InstanceTags) {
    this.#first = first;
  }

  entry(study: OrthancId, patient: OrthancId): StudyEntry {
    const { tags } = this.#first;
    return {
      study,
      patient,
      patientId: textOf(tags, 'PatientID'),
      patientName: textOf(tags, 'PatientName'),
      studyInstanceUid: textOf(tags, 'StudyInstanceUID'),
      accessionNumber: textOf(tags, 'AccessionNumber'),
      studyDate: textOf(tags, 'StudyDate'),
      description: textOf(tags, 'StudyDescription'),
      otherTags: valuesOf(tags, otherTagNames),
      modalities: [...this.modalities].toSorted(),
      labels: [],
      series: this.series.size,
      instances: this.instances,
      sizeBytes: this.sizeBytes,
    };
  }
}

function valuesOf(tags: JsonDataSet, names: readonly string[]): Record<string, string> {
  const entries = names.map((name) => [name, textOf(tags, name)] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

export class UnlistedStudies {
  readonly #studies = new Map<OrthancId, UnlistedStudy>();

  /** Takes an instance in. @returns the entry of its study as it is now; `undefined` if the file names no study. */
  add(file: ArchivedFile, found: InstanceTags): StudyEntry | undefined {
    const { study: id, series, patient, tags } = found;
    if (id === undefined || series === undefined || patient === undefined) return undefined;
    const study = this.#studies.get(id) ?? new UnlistedStudy(found);
    this.#studies.set(id, study);
    study.files.add(file);
    study.series.add(series);
    study.instances += 1;
    study.sizeBytes += file.sizeBytes;
    const modality = textOf(tags, 'Modality');
    if (modality !== undefined) study.modalities.add(modality);
    return study.entry(id, patient);
  }

  filesOf(id: OrthancId): readonly ArchivedFile[] {
    return [...(this.#studies.get(id)?.files.files() ?? [])];
  }
}
