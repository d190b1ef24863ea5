/** The work of `ls` and `find`. What identifies patients goes to stdout, because the user asks for it, and nowhere else. */

import { readCatalogue, readStudiesWithoutSidecar } from '../../core/archive-life/catalogue/read-catalogue.ts';
import type { StudyEntry } from '../../core/archive-life/catalogue/study-entry.ts';
import { ArchiveView } from '../../core/archive-life/restore/archive-view.ts';
import { selectInstances } from '../../core/archive-life/restore/select-instances.ts';
import { isStudySelected, type Selection, selectsAll } from '../../core/archive-life/restore/selection.ts';
import { MirrorError } from '../../core/errors.ts';
import { type MomentOptions, readStudiesAt } from '../../core/sidecars/list-sidecars.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { ArchiveOptionValues } from '../archive-options.ts';
import { columns } from '../columns.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { FutureTimes } from '../future-times.ts';
import { momentOf, openArchiveToRead } from '../open-archive.ts';
import { exitCodeOfFindings, tellFindings } from '../sidecar-findings.ts';
import { tellUnreadable } from '../unreadable-histories.ts';

const header = ['study', 'date', 'patient', 'accession', 'modalities', 'series', 'instances', 'size', 'description'];
const widths = [44, 8, 16, 16, 10, 6, 9, 9, 0];

/**
 * Prints the selected studies. Where no document exists at all, or with `--deep`, the files themselves are asked. A
 * sidecar that cannot be read is told on stderr and in the exit code; the one before it, or the files, tell of the study.
 */
export async function listStudies(
  selection: Selection,
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
  let [documented, shown] = [0, 0];
  const show = (entry: StudyEntry) => {
    if (!isStudySelected(entry, entry.modalities, selection)) return;
    shown += 1;
    if (options.json === true) terminal.printJson({ type: 'study', ...entry });
    else terminal.print(columns(cellsOf(entry), widths));
  };
  try {
    if (options.json !== true) terminal.print(columns(header, widths));
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
    if (shown === 0 && !selectsAll(selection)) terminal.say('no study matches');
    futureTimes.tell();
    await archive.close();
  }
}

function cellsOf(entry: StudyEntry): readonly string[] {
  const { study, studyDate = '', patientId = '', accessionNumber = '', modalities, description = '' } = entry;
  const { series, instances, sizeBytes } = entry;
  const counts = [formatCount(series), formatCount(instances), formatBytes(sizeBytes)];
  return [study, studyDate, patientId, accessionNumber, modalities.join(','), ...counts, description];
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
    for (const id of [...instances].toSorted()) {
      for (const { md5, sizeBytes } of await view.lookup(id, { signal })) {
        const series = seriesOf.get(id) ?? null;
        if (options.json === true) terminal.printJson({ type: 'instance', id, series, md5, sizeBytes });
        else
          terminal.print(`${id}  ${md5 ?? ''}  ${formatBytes(sizeBytes ?? 0).padStart(9)}  ${series ?? ''}`.trimEnd());
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
