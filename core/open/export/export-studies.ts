/**
 * Studies of an archive as a medium for a patient or another hospital: DICOM files with a DICOMDIR, pages that a browser
 * opens from it, and the hashes of all of it.
 */
import { createHash } from 'node:crypto';
import { toDicomJson } from '../../dicom/dicom-json.ts';
import { isMirrorError } from '../../errors.ts';
import type { Md5 } from '../../identifiers.ts';
import { type FrameRenderer, frameToRender } from '../dicomweb/retrieve-rendered.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import { openValue } from '../reader/file-values.ts';
import type { StudyContent, StudyInstance } from '../reader/study-content.ts';
import { textOf } from '../reader/tag-text.ts';
import { UndecodableFrame } from '../rendering/decode-frame.ts';
import { type ReportItem, reportTree } from '../rendering/report-tree.ts';
import { WebError } from '../web/message.ts';
import { dicomdir } from './dicomdir.ts';
import { directoryRecords, type MediumFile } from './directory-records.ts';
import { type IndexedStudy, indexPage, seriesPage } from './pages.ts';

/** A file of the medium; `path` has forward slashes. */
export interface ExportedFile {
  readonly path: string;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
  readonly sizeBytes?: number | undefined;
}

export interface ExportOptions {
  readonly render: FrameRenderer;
  readonly signal: AbortSignal;
  /** Whether pages with pictures are written. */
  readonly withPages: boolean;
  /** Called after each instance whose bytes were read and are as archived. */
  readonly onProven?: ((instance: StudyInstance) => void) | undefined;
  /** Called for what cannot be exported. */
  readonly onProblem: (problem: ExportProblem) => void;
}

export interface ExportProblem {
  readonly instance: StudyInstance;
  /** What is wrong; no patient data. */
  readonly reason: string;
}

/** An instance whose bytes were read and are those that were archived. */
interface ProvenFile extends MediumFile {
  readonly sha256: string;
}

const encapsulatedPdf = '1.2.840.10008.5.1.4.1.1.104.1';

/** Reads all instances once to prove them, then gives the files of the medium in the order in which they are written. */
export async function* exportStudies(
  reader: ArchiveReader,
  studies: readonly StudyContent[],
  options: ExportOptions,
): AsyncGenerator<ExportedFile> {
  const files = await proveAll(reader, studies, options);
  for (const { instance, path } of files) {
    yield {
      path: path.join('/'),
      sizeBytes: instance.sizeBytes,
      open: async () => (await reader.open(instance, options)).body,
    };
  }
  const uid = `2.25.${BigInt(`0x${hashOf(files.map(({ sha256 }) => sha256).join('')).slice(0, 32)}`)}`;
  yield bytesFile('DICOMDIR', dicomdir(uid, directoryRecords(files)));
  if (options.withPages) yield* pages(reader, files, options);
  yield bytesFile('README.TXT', readme(reader));
  yield bytesFile('HASHES.TXT', hashes(files));
}

async function proveAll(
  reader: ArchiveReader,
  studies: readonly StudyContent[],
  options: ExportOptions,
): Promise<readonly ProvenFile[]> {
  const files: ProvenFile[] = [];
  for (const [patient, ofPatient] of [...Map.groupBy(studies, (study) => study.patient).values()].entries()) {
    for (const [study, content] of ofPatient.entries()) {
      const series = [...Map.groupBy(content.instances, (instance) => instance.series).values()];
      for (const [number, instances] of series.entries()) {
        const folder = ['DICOM', name('P', patient), name('S', study), name('E', number)];
        for (const [index, instance] of instances.entries()) {
          const path = [...folder, name('I', index)];
          const proven = await prove(reader, instance, path, options);
          if (proven !== undefined) files.push(proven);
        }
      }
    }
  }
  return files;
}

/** At most eight characters, counted from 1. */
function name(letter: string, index: number): string {
  return `${letter}${String(index + 1).padStart(7, '0')}`;
}

async function prove(
  reader: ArchiveReader,
  instance: StudyInstance,
  path: readonly string[],
  { signal, onProven, onProblem }: ExportOptions,
): Promise<ProvenFile | undefined> {
  try {
    const header = await reader.header(instance, { signal });
    const sha256 = createHash('sha256');
    for await (const chunk of (await reader.open(instance, { signal })).body) sha256.update(chunk);
    onProven?.(instance);
    return { instance, path, header, sha256: sha256.digest('hex') };
  } catch (error) {
    if (!isMirrorError(error, 'hash-wrong', 'vanished', 'not-dicom', 'body-short')) throw error;
    onProblem({ instance, reason: error.message });
    return undefined;
  }
}

function bytesFile(path: string, content: Uint8Array | string): ExportedFile {
  const bytes = Buffer.from(content);
  return { path, sizeBytes: bytes.length, open: async () => once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The pages: pictures first, so that what is written names only what is there. */
async function* pages(
  reader: ArchiveReader,
  files: readonly ProvenFile[],
  options: ExportOptions,
): AsyncGenerator<ExportedFile> {
  const studies: IndexedStudy[] = [];
  for (const ofStudy of Map.groupBy(files, ({ instance }) => instance.study).values()) {
    const series: IndexedStudy['series'][number][] = [];
    const [first] = ofStudy;
    if (first === undefined) continue;
    for (const ofSeries of Map.groupBy(ofStudy, ({ instance }) => instance.series).values()) {
      const made = yield* seriesFiles(reader, ofSeries, options);
      if (made !== undefined) series.push(made);
    }
    const { title, subtitle } = titlesOf(first.instance);
    studies.push({ title, subtitle, series });
  }
  yield bytesFile('INDEX.HTM', indexPage(studies));
}

interface Shown {
  readonly pictures: string[];
  readonly reports: ReportItem[];
  readonly documents: string[];
  readonly others: { readonly file: string; readonly why: string }[];
}

async function* seriesFiles(
  reader: ArchiveReader,
  files: readonly ProvenFile[],
  options: ExportOptions,
): AsyncGenerator<ExportedFile, IndexedStudy['series'][number] | undefined> {
  const [first] = files;
  if (first === undefined) return undefined;
  const [, patient, study, series] = first.path;
  const folder = `IHE_PDI/${patient}/${study}`;
  const shown: Shown = { pictures: [], reports: [], documents: [], others: [] };
  for (const file of files) yield* instanceFiles(reader, file, { folder, series: series ?? '' }, shown, options);
  const { tags } = first.instance.tags;
  const title =
    `${textOf(tags, 'SeriesNumber') ?? ''} ${textOf(tags, 'Modality') ?? ''} ${textOf(tags, 'SeriesDescription') ?? ''}`.trim();
  const { title: subtitle } = titlesOf(first.instance);
  yield bytesFile(`${folder}/${series}.HTM`, seriesPage({ title, subtitle, ...shown, index: '../../../INDEX.HTM' }));
  const middle = shown.pictures[Math.floor(shown.pictures.length / 2)];
  const thumbnail = middle === undefined ? undefined : `${folder}/${middle}`;
  return { title: title || 'series', page: `${folder}/${series}.HTM`, thumbnail };
}

async function* instanceFiles(
  reader: ArchiveReader,
  file: ProvenFile,
  { folder: studyFolder, series }: { readonly folder: string; readonly series: string },
  shown: Shown,
  options: ExportOptions,
): AsyncGenerator<ExportedFile> {
  const { instance, header, path } = file;
  const folder = `${studyFolder}/${series}`;
  const original = `../../../${path.join('/')}`;
  const own = path.at(-1) ?? '';
  const document = header.dataSet.get(0x00420011);
  if (document !== undefined && textOf(instance.tags.tags, 'SOPClassUID') === encapsulatedPdf) {
    yield {
      path: `${folder}/${own}.PDF`,
      sizeBytes: document.length,
      open: () => openValue(reader, instance, header, document, options),
    };
    shown.documents.push(`${series}/${own}.PDF`);
    return;
  }
  const report = reportTree(toDicomJson(header.dataSet, { bigEndian: header.start.encoding.bigEndian }));
  if (report !== undefined) {
    shown.reports.push(report);
    return;
  }
  if (!instance.tags.hasPixelData) {
    shown.others.push({ file: original, why: 'neither picture nor report' });
    return;
  }
  try {
    const frames = await reader.frames(instance, options);
    for (const index of frames.keys()) {
      const asked = { mediaType: 'image/jpeg', window: undefined, viewport: undefined, quality: 90 } as const;
      const frame = await frameToRender(reader, { instance, header, number: index + 1 }, asked, options);
      const picture = `${own}${frames.length === 1 ? '' : `/F${String(index + 1).padStart(7, '0')}`}.JPG`;
      yield bytesFile(`${folder}/${picture}`, await options.render(frame, options.signal));
      shown.pictures.push(`${series}/${picture}`);
    }
  } catch (error) {
    if (!(error instanceof UndecodableFrame || error instanceof WebError || isMirrorError(error, 'refused')))
      throw error;
    shown.others.push({ file: original, why: `no picture: ${error.message}` });
  }
}

function titlesOf({ tags: { tags } }: StudyInstance) {
  const value = (keyword: string) => textOf(tags, keyword) ?? '';
  return {
    title: `${value('PatientName').replaceAll('^', ' ').trim()}  ${value('PatientID')}  ${value('PatientBirthDate')}`,
    subtitle: `${value('StudyDate')} ${value('StudyTime').slice(0, 4)}  ${value('StudyDescription')}  ${value('AccessionNumber')}`,
  };
}

function readme({ archive, at }: ArchiveReader): string {
  return [
    'This medium holds DICOM files with their table of contents, DICOMDIR, for import into any DICOM viewer or archive.',
    'INDEX.HTM shows them in a browser, without a network: not a medical device, for reading in an emergency.',
    'HASHES.TXT holds the SHA-256 of each file; on Linux: sha256sum -c HASHES.TXT',
    `Exported by orthanc-mirror from the archive of ${archive.manifest.source.name}${at === undefined ? '' : ` as of ${at.toISOString()}`}.`,
    'Each file has the very bytes that the archive received from the server; their MD5 was checked on the way.',
    '',
  ].join('\r\n');
}

/** In the form that `sha256sum -c` reads; below it what the archive knows each file by. */
function hashes(files: readonly ProvenFile[]): string {
  const lines = files.map(({ sha256, path }) => `${sha256}  ${path.join('/')}`);
  const origins = files.map(({ instance, path }) => originLine(instance.id, instance.md5, path.join('/')));
  return `${[...lines, '# MD5 in the archive, Orthanc id, file', ...origins].join('\n')}\n`;
}

function originLine(id: string, md5: Md5, path: string): string {
  return `# ${md5}  ${id}  ${path}`;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
