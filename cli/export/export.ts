/** The work of `export`. */

import { MirrorError } from '../../core/errors.ts';
import { type ExportProblem, exportStudies as filesOfExport } from '../../core/open/export/export-studies.ts';
import { ArchiveReader } from '../../core/open/reader/archive-reader.ts';
import type { StudyContent } from '../../core/open/reader/study-content.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { RenderThread } from '../open/render-thread.ts';
import { momentOf, openArchiveToRead } from '../open-archive.ts';
import { startProgress } from '../progress.ts';
import { writeMedium } from './medium.ts';
import type { ExportOptionValues } from './options.ts';

/** Exports what is selected. Throws `configuration`, `vanished` if nothing is, and what the archive throws. */
export async function exportStudies(options: ExportOptionValues, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption: signal } = context;
  if (options.study === undefined && options.patient === undefined) {
    throw new MirrorError('configuration', 'name what to export by --study or --patient');
  }
  await using opened = new AsyncDisposableStack();
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  opened.defer(() => archive.close());
  const reader = new ArchiveReader(archive, { at: momentOf(options.at) });
  opened.defer(() => reader.close());
  const thread = new RenderThread();
  opened.defer(() => thread.close());
  using shown = startProgress(terminal, 'looking for what is selected');
  const studies = await selected(reader, options);
  shown.phase('exporting');
  const all = studies.reduce((sum, { instances }) => sum + instances.length, 0);
  const problems: ExportProblem[] = [];
  let [proven, bytes] = [0, 0];
  const files = filesOfExport(reader, studies, {
    signal,
    withPages: options.filesOnly !== true,
    render: thread.render.bind(thread),
    onProven: ({ sizeBytes }) => {
      proven += 1;
      bytes += sizeBytes;
      shown.show({ instances: proven, bytes, totalInstances: all });
    },
    onProblem: (problem) => {
      problems.push(problem);
      const { id } = problem.instance;
      terminal.tell({ type: 'problem', id, reason: problem.reason }, `${id}  ${problem.reason}`);
    },
  });
  await writeMedium(options.to, files);
  const absent = studies.reduce((sum, study) => sum + study.absent.length, 0);
  const summary = { studies: studies.length, exported: proven, bytes, damaged: problems.length, absent };
  terminal.tell(
    { type: 'summary', ...summary, to: options.to },
    `exported ${formatCount(proven)} instances of ${formatCount(studies.length)} studies (${formatBytes(bytes)}) to ` +
      `${options.to}, damaged ${problems.length}, not in the archive ${absent}`,
  );
  return exitCodeOf({ conflicting: 0, failed: 0, rejected: problems.length + absent, interrupted: signal.aborted });
}

async function selected(reader: ArchiveReader, options: ExportOptionValues): Promise<readonly StudyContent[]> {
  const { study = [], patient = [] } = options;
  // What came shortly before the end is found only when all was looked through.
  await reader.surveyed();
  const entries = (await reader.studies()).filter(
    (entry) =>
      study.some((name) => [entry.study, entry.studyInstanceUid].includes(name)) ||
      patient.some((name) => [entry.patient, entry.patientId].includes(name)),
  );
  const contents = await Promise.all(entries.map((entry) => reader.study(entry.study)));
  const found = contents.filter((content) => content !== undefined).filter(({ instances }) => instances.length > 0);
  if (found.length > 0) return found;
  throw new MirrorError(
    'vanished',
    `${reader.name} holds no such study at this moment; 'find' lists those that it holds`,
  );
}
