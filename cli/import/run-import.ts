/** The work of `import`: opens what is named, imports, reports. */
import type { z } from 'zod';
import { importFiles } from '../../core/import/import-files.ts';
import { readMasterKeys } from '../../core/import/object-encryption.ts';
import { type ImportSummary, isProblem, type ReportLine } from '../../core/import/report.ts';
import { defaultEncodingOf } from '../../core/import/target-encoding.ts';
import type { CommandContext } from '../command-context.ts';
import type { importOptionValues } from '../commands/import.ts';
import type { ExitCode } from '../exit-codes.ts';
import { startProgress } from '../progress.ts';
import { exitCodeOfImport, jsonSummary, problemLine, summaryLines } from './import-report.ts';
import { openDestinations, openIndex, openSource } from './open-import.ts';
import { openReportFile } from './report-file.ts';

export interface ImportArguments {
  readonly path: string;
  readonly options: z.output<typeof importOptionValues>;
  /** All option values, those of the server included. */
  readonly values: unknown;
}

const defaultConcurrency = 16;

/** Imports everything, prints the summary. Throws a MirrorError if the import cannot be begun. */
export async function runImport(given: ImportArguments, { terminal, interruption }: CommandContext): Promise<ExitCode> {
  const { options, path } = given;
  const { dryRun = false, json = false } = options;
  await using opened = new AsyncDisposableStack();
  const masterKeys = await readMasterKeys(options.masterKey ?? []);
  const source = await openSource(given);
  opened.defer(() => source.close());
  const { target, destinations, ...stores } = await openDestinations(given, (line) => terminal.warn(line));
  opened.defer(() => stores.close());
  const index = await openIndex(path, options.index);
  opened.defer(async () => index?.close());
  const report = await openReportFile(options.report);
  opened.defer(() => report.close());
  const showProgress = startProgress(terminal);
  const startedAtMs = performance.now();
  const summary = await importFiles({
    source,
    destinations,
    index,
    masterKeys,
    defaultEncoding: options.defaultEncoding ?? (target && (await defaultEncodingOf(target.client))),
    concurrency: options.concurrency ?? defaultConcurrency,
    dryRun,
    acceptWithoutPixelData: options.acceptWithoutPixelData,
    draining: interruption,
    onLine: async (line, counts) => {
      await report.write(line);
      showProgress({ instances: counts.instances, bytes: counts.storedBytes });
      if (isProblem(line)) print(line);
    },
  });
  tell(summary);
  return exitCodeOfImport(summary);

  function print(line: ReportLine): void {
    if (json) terminal.printJson({ type: 'problem', ...line });
    else terminal.print(problemLine(line));
  }

  function tell(end: ImportSummary): void {
    const facts = { dryRun, durationMs: performance.now() - startedAtMs };
    if (json) terminal.printJson(jsonSummary(end, facts));
    else for (const line of summaryLines(end, facts)) terminal.print(line);
  }
}
