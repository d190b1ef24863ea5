/** The work of `check`: opens the stores, compares, tells the differences. */
import type { z } from 'zod';
import { loadConfiguration } from '../../core/config/load.ts';
import { MirrorError } from '../../core/errors.ts';
import { type ComparedInstance, compareStores } from '../../core/mirror/check.ts';
import { archiveOf } from '../../core/mirror/parts.ts';
import { lookAtTimes } from '../../core/stores/archive/future-times.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import { FutureTimes } from '../future-times.ts';
import { resolveMirror } from '../named-mirror.ts';
import { reasonOf } from '../next-steps.ts';
import { openNamedMirror } from '../open-mirror.ts';
import { connecting, type ShownProgress, startProgress } from '../progress.ts';
import { fractionOf } from '../run/run-progress.ts';
import type { Terminal } from '../terminal.ts';
import { CheckReport, differenceLine } from './check-report.ts';
import { Grouping } from './grouping.ts';
import type { checkOptionValues } from './options.ts';

export interface CheckArguments {
  readonly source: string;
  readonly target: string | undefined;
  readonly options: z.output<typeof checkOptionValues>;
  /** All option values, those of the servers included. */
  readonly values: unknown;
}

/** Compares and prints. Throws a MirrorError if a store cannot be listed: a part of a comparison is no answer. */
export async function check(given: CheckArguments, { terminal, interruption }: CommandContext): Promise<ExitCode> {
  const { source, target, options, values } = given;
  if (options.all === true && options.level !== 'instance') {
    throw new MirrorError('configuration', '--all lists instances; it goes with --level instance only');
  }
  const named = resolveMirror({
    source,
    target,
    archive: parseArchive(options.archive, options.endpoint),
    configuration: options.config === undefined ? undefined : await loadConfiguration(options.config),
    values,
  });
  const futureTimes = new FutureTimes(terminal);
  const opening = {
    absent: 'empty',
    outOfReach: 'fail',
    signal: interruption,
    onFutureTime: futureTimes.note,
    warn: (line: string) => terminal.warn(line),
  } as const;
  await using mirror = await connecting(terminal, () => openNamedMirror(named, opening));
  using progress = startProgress(terminal, 'listing');
  const shown = progressOfComparison(progress);
  const report = new CheckReport(mirror.destinations.map(({ store }) => store.name));
  const grouping = options.level === 'instance' ? undefined : new Grouping(options.level, mirror);
  for await (const compared of compareStores(mirror.reader, mirror.destinations, { signal: interruption })) {
    report.count(compared);
    shown(compared);
    if (grouping === undefined) printInstance(compared, terminal, options);
    else await grouping.add(compared, interruption);
  }
  if (grouping !== undefined) printGroups(grouping, terminal, options);
  const objects = archiveOf(mirror.destinations)?.store.objects;
  if (objects !== undefined) await lookAtTimes(objects, { signal: interruption });
  futureTimes.tell();
  const summary = report.summary(mirror.source.name, futureTimes.count);
  terminal.tell(summary, report.lines());
  return summary.exitCode;
}

function progressOfComparison(progress: ShownProgress): (compared: ComparedInstance) => void {
  let instances = 0;
  return ({ id }) => {
    instances += 1;
    progress.phase('comparing');
    progress.show({ instances, comparedFraction: fractionOf(id) });
  };
}

function printInstance(
  compared: ComparedInstance,
  terminal: Terminal,
  { all = false }: CheckArguments['options'],
): void {
  for (const comparison of compared.comparisons) {
    if (comparison.kind === 'removed' || (comparison.kind === 'equal' && !all)) continue;
    const { kind, error, destination } = comparison;
    const difference = { id: compared.id, store: destination.store.name, kind };
    terminal.tell(
      { type: 'difference', level: 'instance', ...difference, code: error?.code, reason: error && reasonOf(error) },
      differenceLine({ ...difference, ...(error && { error }) }),
    );
  }
}

function printGroups(grouping: Grouping, terminal: Terminal, { level }: CheckArguments['options']): void {
  for (const { id, store, counts } of grouping.groups()) {
    for (const [kind, count] of counts) {
      const text = `${differenceLine({ id, store, kind })}  ${count} instances`;
      terminal.tell({ type: 'difference', level, id, store, kind, instances: count }, text);
    }
  }
}
