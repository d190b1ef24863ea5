import { confirmImport } from '../../core/import/confirm-import.ts';
import { importFiles } from '../../core/import/import-files.ts';
import { importSidecars } from '../../core/import/import-sidecars.ts';
import { isProblem, type LostLine, type ReportLine } from '../../core/import/report.ts';
import { Presence } from '../../core/mirror/presence.ts';
import { readMasterKeys } from '../../core/orthanc-disk/object-encryption.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { withNextStep } from '../next-steps.ts';
import { connecting, startProgress } from '../progress.ts';
import { keepLastResult } from '../report/keep-result.ts';
import { tellFindings } from '../sidecar-findings.ts';
import {
  documentProblemLine,
  exitCodeOfImport,
  jsonDocumentProblem,
  jsonSummary,
  problemLine,
  summaryLines,
} from './import-report.ts';
import { openDestinations, openIndex, openSource } from './open-import.ts';
import type { ImportArguments } from './options.ts';

const defaultConcurrency = 16;

/** Imports everything, prints the summary. Throws a MirrorError if the import cannot be begun. */
export async function runImport(given: ImportArguments, { terminal, interruption }: CommandContext): Promise<ExitCode> {
  const { options, path } = given;
  const { dryRun = false } = options;
  await using opened = new AsyncDisposableStack();
  const masterKeys = await readMasterKeys(options.masterKey ?? []);
  const source = await openSource(given);
  opened.defer(() => source.close());
  const { target, archiveObjects, destinations, ...stores } = await connecting(terminal, () =>
    openDestinations(given, (line) => terminal.warn(line)),
  );
  opened.defer(() => stores.close());
  const index = await openIndex(path, options.index);
  opened.defer(async () => index?.close());
  using progress = startProgress(terminal, 'importing');
  const startedAtMs = performance.now();
  const presence = new Presence({ destinations });
  if (!dryRun) await presence.begin({});
  const imported = await importFiles({
    source,
    destinations,
    index,
    masterKeys,
    defaultEncoding: options.defaultEncoding ?? (await target?.defaultEncoding()),
    concurrency: options.concurrency ?? defaultConcurrency,
    dryRun,
    acceptWithoutPixelData: options.acceptWithoutPixelData,
    draining: interruption,
    onInstance: (result) => presence.note(result),
    onLine: async (line, counts) => {
      if (!isProblem(line)) terminal.note({ type: 'file', ...line });
      progress.show({ instances: counts.instances, bytes: counts.storedBytes });
      if (isProblem(line)) printProblem(line);
    },
  });
  const isComplete = !dryRun && !imported.interrupted && imported.stoppedBy === undefined;
  progress.phase('sidecars');
  const sidecars =
    index === undefined || !isComplete
      ? undefined
      : await importSidecars({
          source,
          index,
          masterKeys,
          target: target && (await studyServerOf(target)),
          archive: archiveObjects,
          limitations: new Limitations(({ message }) => terminal.warn(message)),
          onFinding: tellFindings(terminal).note,
          draining: interruption,
          onProblem: (problem) => terminal.tell(jsonDocumentProblem(problem), documentProblemLine(problem)),
        });
  progress.phase('asking the destinations what they hold');
  const confirm = {
    presence,
    destinations,
    signal: interruption,
    onLost: async (line: LostLine) => {
      printProblem(line);
    },
  };
  const summary = isComplete ? await confirmImport(imported, confirm) : imported;
  const facts = { dryRun, durationMs: performance.now() - startedAtMs, sidecars };
  terminal.end();
  terminal.tell(jsonSummary(summary, facts), summaryLines(summary, facts));
  const exitCode = exitCodeOfImport(summary, sidecars);
  await keepLastResult(archiveObjects, 'import', exitCode, terminal);
  return exitCode;

  function printProblem({ advice, ...line }: ReportLine | (LostLine & { readonly advice?: undefined })): void {
    const told = { ...line, ...(line.reason !== undefined && { reason: withNextStep(line.reason, advice) }) };
    terminal.tell({ type: 'problem', ...told }, problemLine(told));
  }
}
