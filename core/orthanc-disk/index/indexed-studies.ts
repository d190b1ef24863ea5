/**
 * Reads sidecars of studies and patients from the tables of an Orthanc SQLite index: everything that the DICOM files of a
 * storage do not hold themselves.
 */
import * as z from 'zod';
import { type InstanceId, isInstanceId, isOrthancId, type Md5, type OrthancId } from '../../identifiers.ts';
import { systemMetadataNames } from '../../sidecars/metadata-names.ts';
import { metadataValueOf } from '../../sidecars/metadata-value.ts';
import {
  type InstanceRecord,
  isUserNumber,
  type PatientSidecar,
  type ResourceContent,
  type SeriesRecord,
  type StudySidecar,
} from '../../sidecars/sidecar.ts';
import { includesNumber, knownCaches } from '../../sidecars/skip-list.ts';
import { contentTypes, type IndexedFile } from './index-reader.ts';
import type { SqliteTables } from './sqlite-tables.ts';

/** Reads a user attachment to hash it, for indexes that keep no hashes; `undefined` if it cannot be read. */
export type HashAttachment = (file: IndexedFile) => Promise<Md5 | undefined>;

const resourceRow = z.object({
  internalId: z.number(),
  publicId: z.custom<OrthancId>(isOrthancId),
  parentId: z.number().nullable(),
});
type ResourceRow = z.infer<typeof resourceRow>;
/** Values are bytes, of which the column says that they are text. */
const metadataQuery = "SELECT type, COALESCE(CAST(value AS BLOB), x'') AS value FROM Metadata WHERE id = ?";
const metadataRow = z.object({ type: z.number(), value: z.instanceof(Uint8Array) });
const labelRow = z.object({ label: z.string() });
const tagRow = z.object({ tagGroup: z.number(), tagElement: z.number(), value: z.string().nullable() });
const countRow = z.object({ count: z.number() });

const patientType = 1;
const studyType = 2;

/** Tags by which a study is found again, as a sidecar names them. */
const tagNames: Readonly<Record<string, string>> = {
  '8,32': 'StudyDate',
  '8,48': 'StudyTime',
  '8,80': 'AccessionNumber',
  '8,96': 'Modality',
  '8,128': 'InstitutionName',
  '8,144': 'ReferringPhysicianName',
  '8,4144': 'StudyDescription',
  '8,4158': 'SeriesDescription',
  '16,16': 'PatientName',
  '16,32': 'PatientID',
  '16,48': 'PatientBirthDate',
  '16,64': 'PatientSex',
  '32,13': 'StudyInstanceUID',
  '32,14': 'SeriesInstanceUID',
  '32,16': 'StudyID',
  '32,17': 'SeriesNumber',
};

export class IndexedStudies {
  readonly #tables: SqliteTables;
  readonly #hash: HashAttachment;

  constructor(tables: SqliteTables, hash: HashAttachment) {
    this.#tables = tables;
    this.#hash = hash;
  }

  /** All studies, one in memory at a time. */
  async *studies(): AsyncGenerator<StudySidecar> {
    for (const study of this.#iterate(studyType)) {
      const patient = this.#resource(study.parentId);
      if (patient !== undefined) {
        yield {
          format: 'orthanc-mirror-study',
          version: 1,
          id: study.publicId,
          patientId: patient.publicId,
          patientTags: this.#tags(patient),
          tags: this.#tags(study),
          ...(await this.#content(study)),
          series: await Promise.all(this.#children(study).map((series) => this.#series(series))),
        };
      }
    }
  }

  /** All patients. */
  async *patients(): AsyncGenerator<PatientSidecar> {
    for (const patient of this.#iterate(patientType)) {
      yield {
        format: 'orthanc-mirror-patient',
        version: 1,
        id: patient.publicId,
        tags: this.#tags(patient),
        protected: this.#isProtected(patient),
        ...(await this.#content(patient)),
      };
    }
  }

  async #series(series: ResourceRow): Promise<SeriesRecord> {
    const instances: InstanceRecord[] = [];
    for (const instance of this.#children(series)) {
      const file = this.#files(instance).find(({ contentType }) => contentType === contentTypes.dicom);
      if (isInstanceId(instance.publicId)) {
        instances.push({ ...identityOf(instance.publicId, file), ...(await this.#content(instance)) });
      }
    }
    return { id: series.publicId, tags: this.#tags(series), ...(await this.#content(series)), instances };
  }

  async #content(resource: ResourceRow): Promise<ResourceContent> {
    const metadata: ResourceContent['metadata'] = {};
    const systemMetadata: ResourceContent['systemMetadata'] = {};
    for (const { type, value: bytes } of this.#rows(metadataQuery, metadataRow, resource)) {
      const value = metadataValueOf(bytes);
      const name = systemMetadataNames[type - 1];
      if (isUserNumber(type) && !includesNumber(knownCaches.metadata, type)) {
        metadata[type] = value;
      } else if (name !== undefined) {
        systemMetadata[name] = value;
      }
    }
    const labels = this.#tables.has('Labels')
      ? this.#rows('SELECT label FROM Labels WHERE id = ? ORDER BY label', labelRow, resource)
      : [];
    const attachments = await this.#attachments(resource);
    return { labels: labels.map(({ label }) => label), metadata, attachments, systemMetadata, namedMetadata: {} };
  }

  async #attachments(resource: ResourceRow): Promise<ResourceContent['attachments']> {
    const attachments: ResourceContent['attachments'] = {};
    for (const file of this.#files(resource)) {
      const { contentType, contentMd5, contentBytes } = file;
      if (!isUserNumber(contentType) || includesNumber(knownCaches.attachments, contentType)) continue;
      const md5 = contentMd5 ?? (await this.#hash(file));
      if (md5 !== undefined) attachments[contentType] = { md5, sizeBytes: contentBytes };
    }
    return attachments;
  }

  #files({ internalId }: ResourceRow): readonly IndexedFile[] {
    return [...this.#tables.files('WHERE file.id = ?', internalId)];
  }

  #tags(resource: ResourceRow): Record<string, string> {
    const rows = this.#tables.has('MainDicomTags')
      ? this.#rows('SELECT tagGroup, tagElement, value FROM MainDicomTags WHERE id = ?', tagRow, resource)
      : [];
    return Object.fromEntries(
      rows.flatMap(({ tagGroup, tagElement, value }) => {
        const name = tagNames[`${tagGroup},${tagElement}`];
        return name === undefined || value === null || value === '' ? [] : [[name, value]];
      }),
    );
  }

  /** A protected patient is absent from the order in which patients are recycled. */
  #isProtected(patient: ResourceRow): boolean {
    const query = 'SELECT COUNT(*) AS count FROM PatientRecyclingOrder WHERE patientId = ?';
    return this.#tables.has('PatientRecyclingOrder') && this.#rows(query, countRow, patient)[0]?.count === 0;
  }

  *#iterate(type: number): Generator<ResourceRow> {
    const query = 'SELECT internalId, publicId, parentId FROM Resources WHERE resourceType = ? ORDER BY publicId';
    for (const row of this.#tables.rows(query, type)) yield resourceRow.parse(row);
  }

  #children({ internalId }: ResourceRow): readonly ResourceRow[] {
    const query = 'SELECT internalId, publicId, parentId FROM Resources WHERE parentId = ? ORDER BY publicId';
    return this.#rows(query, resourceRow, { internalId });
  }

  #resource(internalId: number | null): ResourceRow | undefined {
    const query = 'SELECT internalId, publicId, parentId FROM Resources WHERE internalId = ?';
    return internalId === null ? undefined : this.#rows(query, resourceRow, { internalId })[0];
  }

  #rows<Row>(query: string, row: z.ZodType<Row>, { internalId }: Pick<ResourceRow, 'internalId'>): Row[] {
    return Array.from(this.#tables.rows(query, internalId), (each) => row.parse(each));
  }
}

function identityOf(id: InstanceId, file: IndexedFile | undefined) {
  return {
    id,
    md5: file?.contentMd5 ?? null,
    sizeBytes: file?.contentBytes ?? null,
    fileUuid: file?.uuid ?? null,
  };
}
