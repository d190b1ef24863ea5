/** The work of `verify`: reads back, tells what is damaged, mends. */
import type { z } from 'zod';
import { defaultBudget } from '../../core/copy/copy-instance.ts';
import { MirrorError } from '../../core/errors.ts';
import { secretResolver } from '../../core/secrets/resolve-secret.ts';
import { secretsManagerFetcher } from '../../core/secrets/secrets-manager.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import type { Store } from '../../core/stores/store.ts';
import { type Mended, mendInstance } from '../../core/verify/mend.ts';
import { parseSubset } from '../../core/verify/subset.ts';
import { type Verified, verifyStore } from '../../core/verify/verify.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import type { verifyOptionValues } from '../commands/verify.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { openServer, storageOf } from '../open-mirror.ts';
import { startProgress } from '../progress.ts';
import { serverOfUrl } from '../server-options.ts';
import { putRightIn } from './put-right.ts';
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
  const { verified, goodCopies } = await openStores(given, context, opened);
  const report = new VerifyReport(context.terminal, options.json === true);
  const show = startProgress(context.terminal);
  for (const store of verified) {
    const others = goodCopies.filter((other) => other !== store);
    const reading = verifyStore(store, { subset, atOnce: options.concurrency, signal: context.interruption });
    for await (const result of reading) {
      const mended = options.repair === true ? await mend(result, store, others, context.interruption) : undefined;
      report.add(store.name, result, mended);
      show(report.progress());
    }
  }
  report.finish();
  return exitCodeOf(report.outcome());
}

const budget = defaultBudget();

async function mend(
  result: Verified,
  store: Store,
  goodCopies: readonly Store[],
  signal: AbortSignal,
): Promise<Mended | undefined> {
  if (result.kind !== 'damaged' || result.md5 === undefined) return undefined;
  const putRight = putRightIn(store);
  return mendInstance(result.id, result.md5, { damaged: store, putRight, goodCopies, budget, signal });
}

interface NamedStores {
  readonly verified: readonly Store[];
  readonly goodCopies: readonly Store[];
}

async function openStores(
  { options, values }: VerifyArguments,
  { terminal, interruption: signal }: CommandContext,
  opened: AsyncDisposableStack,
): Promise<NamedStores> {
  const archive = parseArchive(options.archive, options.endpoint);
  if (archive === undefined && options.target === undefined) {
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
  const verified: Store[] = [];
  if (archive !== undefined) {
    const objects = storageOf(archive);
    opened.defer(() => objects.close());
    verified.push(await openArchive(objects, { signal }));
  }
  verified.push(...(await server('target', options.target)));
  return { verified, goodCopies: [...verified, ...(await server('source', options.source))] };
}
