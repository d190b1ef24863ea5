/** The work of `verify`: reads back, tells what is damaged, mends. */
import type { z } from 'zod';
import { MirrorError } from '../../core/errors.ts';
import { secretResolver } from '../../core/secrets/resolve-secret.ts';
import { secretsManagerFetcher } from '../../core/secrets/secrets-manager.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import { lookAtTimes } from '../../core/stores/archive/future-times.ts';
import type { Store } from '../../core/stores/store.ts';
import { parseSubset } from '../../core/verify/subset.ts';
import { verifyStore } from '../../core/verify/verify.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import type { verifyOptionValues } from '../commands/verify.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { FutureTimes } from '../future-times.ts';
import { openServer, storageOf } from '../open-mirror.ts';
import { startProgress } from '../progress.ts';
import { serverOfUrl } from '../server-options.ts';
import { menderOf } from './mender.ts';
import { VerifyReport } from './verify-report.ts';

export interface VerifyArguments {
  readonly options: z.output<typeof verifyOptionValues>;
  /** All option values, those of the servers included. */
  readonly values: unknown;
}

/** Verifies every named store, one after the other. Throws a MirrorError if one cannot be listed. */
export async function verify(given: VerifyArguments, context: CommandContext): Promise<ExitCode> {
  const { options } = given;
  const subset = options.subset === undefined ? undefined : parseSubset(options.subset, Date.now() % 2 ** 32);
  await using opened = new AsyncDisposableStack();
  const futureTimes = new FutureTimes(context.terminal);
  const { archive, verified, goodCopies } = await openStores(given, context, opened, futureTimes);
  const warn = (line: string) => context.terminal.warn(line);
  const report = new VerifyReport(context.terminal, options.json === true);
  const show = startProgress(context.terminal);
  for (const store of verified) {
    const others = goodCopies.filter((other) => other !== store);
    const mend =
      options.repair === true
        ? await menderOf(store, { goodCopies: others, archive, warn, signal: context.interruption })
        : undefined;
    const reading = verifyStore(store, { subset, atOnce: options.concurrency, signal: context.interruption });
    for await (const result of reading) {
      report.add(store.name, result, await mend?.(result));
      show(report.progress());
    }
  }
  if (archive !== undefined) await lookAtTimes(archive.objects, { signal: context.interruption });
  futureTimes.tell();
  report.finish(futureTimes.count);
  return exitCodeOf(report.outcome());
}

interface NamedStores {
  readonly archive: Archive | undefined;
  readonly verified: readonly Store[];
  readonly goodCopies: readonly Store[];
}

async function openStores(
  { options, values }: VerifyArguments,
  { terminal, interruption: signal }: CommandContext,
  opened: AsyncDisposableStack,
  futureTimes: FutureTimes,
): Promise<NamedStores> {
  const place = parseArchive(options.archive, options.endpoint);
  if (place === undefined && options.target === undefined) {
    throw new MirrorError('configuration', 'there is nothing to verify: name an --archive, a --target, or both');
  }
  const secrets = secretResolver({ fetchSecret: secretsManagerFetcher() });
  const server = async (role: 'source' | 'target', url: string | undefined): Promise<readonly Store[]> => {
    if (url === undefined) return [];
    const named = { name: undefined, ...serverOfUrl(role, url, values) };
    const store = await openServer(named, secrets, { warn: (line) => terminal.warn(line) });
    opened.defer(() => store.close());
    return [store];
  };
  let archive: Archive | undefined;
  if (place !== undefined) {
    const objects = storageOf(place, futureTimes.note);
    opened.defer(() => objects.close());
    archive = await openArchive(objects, { signal });
  }
  const archived = archive === undefined ? [] : [new EveryVersion(archive)];
  const verified = [...archived, ...(await server('target', options.target))];
  return { archive, verified, goodCopies: [...verified, ...(await server('source', options.source))] };
}
