/** The work of `verify`: reads back, tells what is damaged or lost, repairs. */
import type { z } from 'zod';
import { repairBeside } from '../../core/archive-life/repair-beside.ts';
import { parseSubset, type Subset } from '../../core/archive-life/verify/subset.ts';
import { verifyStore } from '../../core/archive-life/verify/verify.ts';
import { verifyBeside } from '../../core/archive-life/verify-beside.ts';
import { VersionSet } from '../../core/archive-life/version-set.ts';
import { openExistingArchive } from '../../core/config/open-archive.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { MirrorError } from '../../core/errors.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { SidecarFindings } from '../../core/sidecars/sidecar-state.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import type { OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Store } from '../../core/stores/store.ts';
import { parseArchive } from '../archive-argument.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { finishRepairs } from '../finished-repairs.ts';
import { FutureTimes } from '../future-times.ts';
import { reasonOf } from '../next-steps.ts';
import { openServerOfUrl } from '../open-mirror.ts';
import { connecting, startProgress } from '../progress.ts';
import { keepLastResult } from '../report/keep-result.ts';
import type { verifyOptionValues } from './options.ts';
import { repairerOf } from './repairer.ts';
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
  const stores = await connecting(context.terminal, () => openStores(given, context, opened, futureTimes));
  const report = new VerifyReport(context.terminal);
  const verification = new Verification(stores, { ...given.options, subset }, report, context);
  if (options.repair === true) await verification.finishRepairs();
  const { versions, target } = stores;
  if (versions !== undefined) await verification.verifyArchive(versions);
  if (target !== undefined) await verification.verifyInstances(target);
  futureTimes.tell();
  report.finish(versions !== undefined, futureTimes.count);
  const exitCode = exitCodeOf(report.outcome());
  await keepLastResult(versions?.archive.objects, 'verify', exitCode, context.terminal);
  return exitCode;
}

interface NamedStores {
  /** The archive. */
  readonly versions: EveryVersion | undefined;
  readonly target: OrthancStore | undefined;
  readonly source: OrthancStore | undefined;
}

interface Choices {
  readonly repair?: boolean | undefined;
  readonly concurrency: number;
  readonly subset: Subset | undefined;
}

class Verification {
  readonly #stores: NamedStores;
  readonly #choices: Choices;
  readonly #report: VerifyReport;
  readonly #context: CommandContext;
  readonly #budget = defaultBudget();

  constructor(stores: NamedStores, choices: Choices, report: VerifyReport, context: CommandContext) {
    this.#stores = stores;
    this.#choices = choices;
    this.#report = report;
    this.#context = context;
  }

  /** What an interrupted repair of the target had still to write. */
  async finishRepairs(): Promise<void> {
    const { versions, target } = this.#stores;
    const { terminal, interruption: signal } = this.#context;
    if (versions === undefined || target === undefined) return;
    const limitations = new Limitations(({ message }) => terminal.warn(message));
    const server = await studyServerOf(target, { signal });
    await finishRepairs(versions.archive, { server, limitations, signal }, terminal);
  }

  async verifyArchive(versions: EveryVersion): Promise<void> {
    const { archive } = versions;
    const known = new VersionSet();
    await this.verifyInstances(versions, known);
    const { repair, concurrency: atOnce, subset } = this.#choices;
    const { terminal, interruption: signal } = this.#context;
    // What is damaged is among the results; of the findings only those that are no damage are left to tell.
    const { note: onFinding } = new SidecarFindings(({ error }) => {
      if (error.code !== 'sidecar-damaged') terminal.warn(`${reasonOf(error)} (${error.code})`);
    });
    const repairing = repair === true ? await this.#repairOptions(versions) : undefined;
    const options = { subset, atOnce, known: known.has.bind(known), onFinding, signal };
    using shown = startProgress(terminal, 'sidecars, attachments and records');
    let checkedCount = 0;
    for await (const checked of verifyBeside(archive, options)) {
      checkedCount += 1;
      shown.show({ instances: checkedCount, unit: 'objects' });
      const isWrong = checked.kind === 'damaged' || checked.kind === 'lost';
      const repair =
        isWrong && repairing !== undefined ? await repairBeside(checked, { ...repairing, onFinding }) : undefined;
      this.#report.addBeside(archive.name, checked, repair);
    }
  }

  /** @param known is given every version that is there */
  async verifyInstances(store: Store, known?: VersionSet): Promise<void> {
    const { repair, concurrency: atOnce, subset } = this.#choices;
    const { terminal, interruption: signal } = this.#context;
    const archive = this.#stores.versions?.archive;
    const warn = (line: string) => terminal.warn(line);
    const goodCopies = this.#goodCopies().filter((other) => other !== store);
    const repairing = repair === true ? await repairerOf(store, { goodCopies, archive, warn, signal }) : undefined;
    using shown = startProgress(terminal, `reading ${store.name} back`);
    for await (const result of verifyStore(store, { subset, atOnce, signal })) {
      if (result.kind !== 'vanished' && result.md5 !== undefined) known?.add(result.id, result.md5);
      this.#report.add(store.name, result, await repairing?.(result));
      shown.show(this.#report.progress());
    }
  }

  #goodCopies(): readonly Store[] {
    const { versions, target, source } = this.#stores;
    return [versions, target, source].filter((store) => store !== undefined);
  }

  async #repairOptions(versions: EveryVersion) {
    const { source, target } = this.#stores;
    const { interruption: signal } = this.#context;
    const servers = [source, target].filter((store) => store !== undefined);
    const connected = await Promise.all(servers.map((store) => studyServerOf(store, { signal })));
    return {
      archive: versions.archive,
      source: source === undefined ? undefined : connected[0],
      servers: connected,
      goodCopies: this.#goodCopies().filter((store) => store !== versions),
      budget: this.#budget,
      signal,
    };
  }
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
  const server = async (role: 'source' | 'target', url: string | undefined): Promise<OrthancStore | undefined> => {
    if (url === undefined) return undefined;
    const store = await openServerOfUrl(role, url, values, (line) => terminal.warn(line), `--${role}`);
    opened.defer(() => store.close());
    return store;
  };
  let versions: EveryVersion | undefined;
  if (place !== undefined) {
    const archive = await openExistingArchive(place, { onFutureTime: futureTimes.note, signal });
    opened.defer(() => archive.close());
    versions = new EveryVersion(archive);
  }
  return { versions, target: await server('target', options.target), source: await server('source', options.source) };
}
