/** The records of a DICOMDIR for studies of an archive (PS3.3, tables F.5-1 and following). */

import type { DicomDataSet } from '../../dicom/data-set.ts';
import { toDicomJson } from '../../dicom/dicom-json.ts';
import type { JsonDataSet } from '../../dicom/json-model.ts';
import { isPersonName } from '../../dicom/json-model.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import { textOf } from '../reader/tag-text.ts';
import type { DirectoryRecord } from './dicomdir.ts';

/** An instance with its name on the medium. */
export interface MediumFile {
  readonly instance: StudyInstance;
  /** Segments of at most eight capitals, digits and underscores (PS3.10, 8.2). */
  readonly path: readonly string[];
  readonly header: DicomDataSet;
}

/** What a kind of instance is called in a directory, by the beginning of its SOP class. */
const recordTypes: readonly (readonly [string, string])[] = [
  ['1.2.840.10008.5.1.4.1.1.88.59', 'KEY OBJECT DOC'],
  ['1.2.840.10008.5.1.4.1.1.88.', 'SR DOCUMENT'],
  ['1.2.840.10008.5.1.4.1.1.104.', 'ENCAP DOC'],
  ['1.2.840.10008.5.1.4.1.1.11.', 'PRESENTATION'],
  ['1.2.840.10008.5.1.4.1.1.9.', 'WAVEFORM'],
  ['1.2.840.10008.5.1.4.1.1.481.2', 'RT DOSE'],
  ['1.2.840.10008.5.1.4.1.1.481.3', 'RT STRUCTURE SET'],
  ['1.2.840.10008.5.1.4.1.1.481.5', 'RT PLAN'],
  ['1.2.840.10008.5.1.4.1.1.4.2', 'SPECTROSCOPY'],
];
const rawData = '1.2.840.10008.5.1.4.1.1.66';

/**
 * Patients with their studies, series and files, in the order in which they come. Where a file lacks what a directory
 * must hold (an id or a number), it is numbered, as the tools of DCMTK do.
 */
export function directoryRecords(files: readonly MediumFile[]): readonly DirectoryRecord[] {
  const json = new Map(files.map((file) => [file, jsonOf(file)]));
  const by = (group: readonly MediumFile[], key: (file: MediumFile) => string) => [...Map.groupBy(group, key).values()];
  const record = (
    type: string,
    own: readonly MediumFile[],
    keywords: readonly string[],
    children: DirectoryRecord['children'],
    index: number,
  ) => ({
    type,
    values: numbered({ ...utf8, ...told(json, own, keywords) }, index),
    children,
  });
  return by(files, ({ instance }) => instance.tags.patient ?? '').map((ofPatient, patient) => {
    const studies = by(ofPatient, ({ instance }) => instance.study).map((ofStudy, study) => {
      const series = by(ofStudy, ({ instance }) => instance.series).map((ofSeries, number) => {
        const own = ofSeries.map((file, index) => fileRecord(file, json.get(file) ?? {}, index));
        return record('SERIES', ofSeries, seriesKeywords, own, number);
      });
      return record('STUDY', ofStudy, studyKeywords, series, study);
    });
    return record('PATIENT', ofPatient, ['PatientID', 'PatientName'], studies, patient);
  });
}

const studyKeywords = ['StudyDate', 'StudyTime', 'StudyDescription', 'StudyInstanceUID', 'StudyID', 'AccessionNumber'];
const seriesKeywords = ['Modality', 'SeriesInstanceUID', 'SeriesNumber', 'SeriesDescription'];

/** Fills in what may not be empty (PS3.3, tables F.5-1 to F.5-4). */
function numbered(values: Readonly<Record<string, string>>, index: number): Readonly<Record<string, string>> {
  const number = String(index + 1);
  const instead: Readonly<Record<string, string>> = {
    PatientID: `UNKNOWN-${number}`,
    StudyID: number,
    SeriesNumber: number,
    InstanceNumber: number,
    Modality: 'OT',
  };
  return Object.fromEntries(
    Object.entries(values).map(([keyword, value]) => [keyword, value === '' ? (instead[keyword] ?? '') : value]),
  );
}

const utf8 = { SpecificCharacterSet: 'ISO_IR 192' };

function jsonOf({ header }: MediumFile): JsonDataSet {
  return toDicomJson(header.dataSet, { bigEndian: header.start.encoding.bigEndian });
}

/** The first value that any of the files tells; what none tells is empty. */
function told(
  json: ReadonlyMap<MediumFile, JsonDataSet>,
  files: readonly MediumFile[],
  keywords: readonly string[],
): Record<string, string> {
  const value = (keyword: string) => {
    for (const file of files) {
      const text = textOf(json.get(file) ?? {}, keyword);
      if (text !== undefined) return plain(keyword, text);
    }
    return '';
  };
  return Object.fromEntries(keywords.map((keyword) => [keyword, value(keyword)]));
}

/** Dates and times of older standards have dots and colons; what is none at all is left out. */
function plain(keyword: string, text: string): string {
  if (keyword.endsWith('Date')) return /^\d{8}$/.exec(text.replaceAll('.', ''))?.[0] ?? '';
  if (keyword.endsWith('Time')) return /^\d{2,6}(?:\.\d{1,6})?$/.exec(text.replaceAll(':', ''))?.[0] ?? '';
  return text;
}

function fileRecord(file: MediumFile, json: JsonDataSet, index: number): DirectoryRecord {
  const { header, path } = file;
  const sopClass = textOf(json, 'SOPClassUID') ?? '';
  const type =
    sopClass === rawData ? 'RAW DATA' : (recordTypes.find(([begin]) => sopClass.startsWith(begin))?.[1] ?? 'IMAGE');
  const own = (keywords: readonly string[]) => told(new Map([[file, json]]), [file], keywords);
  const hasConcept = ['SR DOCUMENT', 'KEY OBJECT DOC', 'ENCAP DOC'].includes(type);
  const concept = conceptName(json);
  return {
    type,
    values: numbered(
      {
        ...utf8,
        ReferencedFileID: path.join('\\'),
        ReferencedSOPClassUIDInFile: sopClass,
        ReferencedSOPInstanceUIDInFile: textOf(json, 'SOPInstanceUID') ?? '',
        ReferencedTransferSyntaxUIDInFile: header.start.transferSyntax ?? '1.2.840.10008.1.2',
        ...own(['InstanceNumber']),
        ...own(keywordsOf[type] ?? []),
      },
      index,
    ),
    ...(hasConcept && { items: { ConceptNameCodeSequence: concept } }),
    children: [],
  };
}

/** What else the records of a type must hold. */
const keywordsOf: Readonly<Record<string, readonly string[]>> = {
  'SR DOCUMENT': ['CompletionFlag', 'VerificationFlag', 'ContentDate', 'ContentTime'],
  'KEY OBJECT DOC': ['ContentDate', 'ContentTime'],
  'ENCAP DOC': ['ContentDate', 'ContentTime', 'DocumentTitle', 'MIMETypeOfEncapsulatedDocument'],
  WAVEFORM: ['ContentDate', 'ContentTime'],
  SPECTROSCOPY: ['ContentDate', 'ContentTime'],
  'RAW DATA': ['ContentDate', 'ContentTime'],
  PRESENTATION: [
    'ContentLabel',
    'ContentDescription',
    'PresentationCreationDate',
    'PresentationCreationTime',
    'ContentCreatorName',
  ],
};

function conceptName(json: JsonDataSet): Readonly<Record<string, string>> | undefined {
  const item = json['0040A043']?.Value?.[0];
  if (typeof item !== 'object' || item === null || isPersonName(item)) return undefined;
  const keywords = ['CodeValue', 'CodingSchemeDesignator', 'CodeMeaning'];
  return Object.fromEntries(keywords.map((keyword) => [keyword, textOf(item, keyword) ?? '']));
}
