/** The work of `ls` and `find`. What identifies patients goes to stdout, because the user asks for it, and nowhere else. */

import { readCatalogue, readStudiesWithoutSidecar } from '../../core/archive-life/catalogue/read-catalogue.ts';
import type { StudyEntry } from '../../core/archive-life/catalogue/study-entry.ts';
import { ArchiveView } from '../../core/archive-life/restore/archive-view.ts';
import { selectInstances } from '../../core/archive-life/restore/select-instances.ts';
import { isStudySelected, type Selection, selectsAll } from '../../core/archive-life/restore/selection.ts';
import { MirrorError } from '../../core/errors.ts';
import { matches } from '../../core/open/search/attribute-match.ts';
import { type MomentOptions, readStudiesAt } from '../../core/sidecars/list-sidecars.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { ArchiveOptionValues } from '../archive-options.ts';
import { type Column, Table } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { FutureTimes } from '../future-times.ts';
import { momentOf, openArchiveToRead } from '../open-archive.ts';
import { exitCodeOfFindings, tellFindings } from '../sidecar-findings.ts';
import { tellUnreadable } from '../unreadable-histories.ts';

/** Studies; what a narrow terminal has no room for goes from the right. */
const studyColumns: readonly Column[] = [
  { head: 'study', width: 44 },
  { head: 'date', width: 10 },
  { head: 'patient', width: 16, least: 8 },
  { head: 'name', width: 24, least: 0 },
  { head: 'type', width: 6, least: 0 },
  { head: 'instances', width: 9, least: 0, right: true },
  { head: 'size', width: 8, least: 0, right: true },
  { head: 'accession', width: 16, least: 0 },
  { head: 'description', width: 32, least: 0 },
];

const instanceColumns: readonly Column[] = [
  { head: 'instance', width: 44 },
  { head: 'size', width: 9, right: true },
  { head: 'MD5', width: 32, least: 0 },
  { head: 'series', width: 44, least: 0 },
];

const patientNameTag = 0x00100010;

interface ListOptions extends ArchiveOptionValues {
  /** Names of patients; any of them. */
  readonly name?: readonly string[] | undefined;
}

/**
 * Prints the selected studies. Where no document exists at all, or with `--deep`, the files themselves are asked. A
 * sidecar that cannot be read is told on stderr and in the exit code; the one before it, or the files, tell of the study.
 */
export async function listStudies(
  selection: Selection,
  options: ListOptions,
  { terminal, interruption: signal }: CommandContext,
): Promise<ExitCode> {
  const at = momentOf(options.at);
  const futureTimes = new FutureTimes(terminal);
  const findings = tellFindings(terminal);
  const histories = tellUnreadable(terminal);
  const listing = { at, onFinding: findings.note, onUnreadable: histories.note, signal };
  const reading = { signal, onFutureTime: futureTimes.note };
  const archive = await openArchiveToRead(options.archive, options.endpoint, reading);
  let [documented, shown] = [0, 0];
  const table = new Table(studyColumns, terminal.width);
  const show = (entry: StudyEntry) => {
    if (!isStudySelected(entry, entry.modalities, selection) || !hasName(entry, options.name)) return;
    shown += 1;
    terminal.tell({ type: 'study', ...entry }, table.row(cellsOf(entry)));
  };
  try {
    if (!terminal.json) terminal.print(table.head());
    for await (const entry of readCatalogue(archive.objects, listing)) {
      documented += 1;
      show(entry);
      if (terminal.readerGone) break;
    }
    if (terminal.readerGone || (documented > 0 && options.deep !== true))
      return exitCodeOfFindings(findings, histories);
    terminal.say('reading the headers of the instances that no sidecar lists');
    const view = new ArchiveView(archive, { at, onUnreadable: histories.note });
    for (const entry of await readStudiesWithoutSidecar(archive, view, listing)) show(entry);
    return exitCodeOfFindings(findings, histories);
  } finally {
    if (shown === 0 && !(selectsAll(selection) && options.name === undefined)) terminal.say('no study matches');
    futureTimes.tell();
    await archive.close();
  }
}

function cellsOf(entry: StudyEntry): readonly string[] {
  const { study, studyDate = '', patientId = '', patientName = '', accessionNumber = '', description = '' } = entry;
  const { modalities, instances, sizeBytes } = entry;
  const date = studyDate.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');
  const counts = [formatCount(instances), formatBytes(sizeBytes)];
  return [study, date, patientId, patientName, modalities.join(','), ...counts, accessionNumber, description];
}

/** Whether a study is of one of these patients, by name as DICOM writes it, with `*` and `?`. */
function hasName({ patientName }: StudyEntry, wanted: readonly string[] | undefined): boolean {
  const query = { tag: patientNameTag, vr: 'PN', wanted: wanted ?? [], fuzzy: false };
  return matches(query, patientName === undefined ? [] : [patientName]);
}

/** Prints the instances of one study. Throws `vanished` if the archive had no such study. */
export async function listStudy(
  study: string,
  options: ArchiveOptionValues,
  { terminal, interruption: signal }: CommandContext,
): Promise<ExitCode> {
  const at = momentOf(options.at);
  const futureTimes = new FutureTimes(terminal);
  const findings = tellFindings(terminal);
  const histories = tellUnreadable(terminal);
  const listing = { at, onFinding: findings.note, onUnreadable: histories.note, signal };
  const reading = { signal, onFutureTime: futureTimes.note };
  const archive = await openArchiveToRead(options.archive, options.endpoint, reading);
  try {
    const { instances, studies } = await selectInstances(archive, { studies: [study] }, listing);
    if (instances.size === 0) {
      throw new MirrorError('vanished', `${archive.name} holds no such study; 'find' lists those that it holds`);
    }
    const seriesOf = await seriesOfInstances(archive, { ...listing, only: studies });
    const view = new ArchiveView(archive, { at, only: instances });
    const table = new Table(instanceColumns, terminal.width);
    if (!terminal.json) terminal.print(table.head());
    for (const id of [...instances].toSorted()) {
      for (const { md5, sizeBytes } of await view.lookup(id, { signal })) {
        const series = seriesOf.get(id) ?? null;
        const cells = [id, formatBytes(sizeBytes ?? 0), md5 ?? '', series ?? ''];
        terminal.tell({ type: 'instance', id, series, md5, sizeBytes }, table.row(cells));
      }
    }
    return exitCodeOfFindings(findings, histories);
  } finally {
    futureTimes.tell();
    await archive.close();
  }
}

async function seriesOfInstances(archive: Archive, options: MomentOptions): Promise<ReadonlyMap<string, string>> {
  const series = new Map<string, string>();
  for await (const { document } of readStudiesAt(archive.objects, options)) {
    for (const one of document.series) for (const { id } of one.instances) series.set(id, one.id);
  }
  return series;
}
