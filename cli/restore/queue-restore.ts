/**
 * Lets the stack in the cloud restore: writes a job into the archive, which says what may be restored, puts every selected
 * instance on the queue of the mirror, waits until that is empty, then does the same with the sidecars. Meanwhile
 * the mirror itself pauses the target. Dead letters are told at the end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { ArchiveView, type ViewObserver, type ViewOptions } from '../../core/archive-life/restore/archive-view.ts';
import { type JobInstance, partSize, RestoreJobWriter } from '../../core/archive-life/restore/restore-job.ts';
import { selectInstances } from '../../core/archive-life/restore/select-instances.ts';
import { selectsAll } from '../../core/archive-life/restore/selection.ts';
import type { QueueMessage } from '../../core/cloud/queue/message.ts';
import { createSqsClient } from '../../core/cloud/queue/sqs-client.ts';
import { sqsLeft } from '../../core/cloud/queue/sqs-depths.ts';
import { sqsQueue } from '../../core/cloud/queue/sqs-queue.ts';
import { deadLetterQueues, mirrorQueue, sharedQueue } from '../../core/config/queue-names.ts';
import { targetStoreName } from '../../core/config/store-names.ts';
import { MirrorError } from '../../core/errors.ts';
import type { OrthancId } from '../../core/identifiers.ts';
import { askToPause, askToResume } from '../../core/mirror/pause/ask.ts';
import { pauseBeside } from '../../core/mirror/pause/pause.ts';
import { listStudiesAt } from '../../core/sidecars/list-sidecars.ts';
import type { OnSidecarFinding } from '../../core/sidecars/sidecar-state.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodeOf, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { momentOf, openArchiveToRead, selectionOf } from '../open-archive.ts';
import { startProgress } from '../progress.ts';
import { tellFindings } from '../sidecar-findings.ts';
import { UnreadableHistories } from '../unreadable-histories.ts';
import { failuresOf, type JobFailure } from './job-failures.ts';
import { isServerUrl } from './open-target.ts';
import type { RestoreOptionValues } from './options.ts';
import { ProblemPrinter, undecidedLine } from './print-problems.ts';

const askEveryMs = 2_000;
/** The counts of SQS lag behind for a few seconds: an empty queue must be seen so often in a row. */
const emptyInARow = 3;

interface Plan {
  readonly archive: Archive;
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** Where the stack itself sends what is large. */
  readonly largeQueueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly mirror: string;
  readonly target: string;
  readonly view: Pick<ViewOptions, 'at' | 'only' | 'includeRemoved' | 'onUnreadable'>;
  /** Studies whose sidecars are restored; absent: all. */
  readonly studies: ReadonlySet<OrthancId> | undefined;
  readonly onFinding: OnSidecarFinding;
  readonly histories: UnreadableHistories;
}

/** Throws a MirrorError if it cannot be begun. After an interruption the messages are worked on all the same. */
export async function queueRestore(
  options: RestoreOptionValues,
  queuesUrl: string,
  context: CommandContext,
): Promise<ExitCode> {
  const { interruption: signal } = context;
  const { repair, replace, verify, thaw, dryRun } = options;
  if (isServerUrl(options.to) || [repair, replace, verify, thaw, dryRun].includes(true)) {
    throw new MirrorError(
      'configuration',
      '--queues needs --to NAME of a target of the stack, and goes with neither --repair, --replace, --verify, --thaw nor --dry-run',
    );
  }
  // The endpoint is part of the address of a queue, also of an emulator.
  const client = createSqsClient(new URL(queuesUrl).origin);
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  try {
    const plan = await planOf(archive, { client, queuesUrl }, options, context);
    return await restoreByStack(plan, context);
  } finally {
    await archive.close();
    client.destroy();
  }
}

async function restoreByStack(plan: Plan, context: CommandContext): Promise<ExitCode> {
  const { archive, client, deadLetterQueueUrl, mirror, target, view, histories } = plan;
  const { terminal, interruption: signal } = context;
  // A queue that is not there must be noticed before anything begins.
  await sqsLeft(client, plan.queueUrl);
  const job = await RestoreJobWriter.begin(archive.objects, { mirror, target, at: view.at });
  terminal.say(`restore job ${job.id}`);
  const pause = pauseBeside(archive.objects);
  const store = targetStoreName(mirror, target);
  await askToPause(pause, 'a restore is under way; it ends with it, or with "resume"', store);
  terminal.say(`${store} is paused by its mirror meanwhile`);
  let [rejected, failed] = [0, 0];
  const observer: ViewObserver = {
    onUndecided: (id) => terminal.warn(undecidedLine(id)),
    onLost: (id, md5) => {
      rejected += 1;
      new ProblemPrinter(terminal).lost(id, archive.name, md5);
    },
  };
  const instances = await work(plan, instancesOf(plan, job, observer), 'instances', context);
  const studies = signal.aborted ? 0 : await work(plan, studiesOf(plan, job), 'sidecars', context);
  if (signal.aborted) {
    terminal.warn(
      'what is on the queue is restored all the same; then run the same again, which lets the mirror go on',
    );
    return exitCodes.interrupted;
  }
  await askToResume(pause, store);
  await job.finish();
  for await (const failure of failuresOf(job.id, { client, deadLetterQueueUrl })) {
    if (failure.outcome === 'rejected') rejected += 1;
    else failed += 1;
    terminal.tell({ ...failure }, lineOf(failure));
  }
  rejected += histories.outcome.rejected;
  failed += histories.outcome.failed;
  const exitCode = exitCodeOf({ conflicting: 0, rejected, failed });
  const summary = { type: 'summary', mirror, target, job: job.id, instances, studies, rejected, failed, exitCode };
  terminal.end();
  terminal.tell(summary, summaryLine(instances, studies, rejected, failed));
  return exitCode;
}

function lineOf({ id, outcome, code, reason }: JobFailure): string {
  return `${id}  ${outcome}  ${reason} (${code})`;
}

function summaryLine(...counts: [instances: number, studies: number, rejected: number, failed: number]): string {
  const [instances, studies, rejected, failed] = counts.map(formatCount);
  const worked = `${instances} instances and ${studies} sidecars were worked on`;
  return `${worked}; rejected ${rejected}, failed ${failed}`;
}

async function planOf(
  archive: Archive,
  { client, queuesUrl }: { readonly client: SQSClient; readonly queuesUrl: string },
  options: RestoreOptionValues,
  { terminal, interruption: signal }: CommandContext,
): Promise<Plan> {
  const { includeRemoved, to: target, mirror = archive.manifest.source.name } = options;
  const at = momentOf(options.at);
  const selection = selectionOf(options);
  const { note: onFinding } = tellFindings(terminal);
  const problems = new ProblemPrinter(terminal);
  const histories = new UnreadableHistories((id, error) => problems.history(id, archive.name, error));
  const moment = { at, includeRemoved, onUnreadable: histories.note };
  const queueUrl = mirrorQueue(queuesUrl, { mirror, lane: 'backlog' });
  const largeQueueUrl = mirrorQueue(queuesUrl, { mirror, lane: 'large' });
  const deadLetterQueueUrl = sharedQueue(queuesUrl, deadLetterQueues.backlog);
  const common = { archive, client, queueUrl, largeQueueUrl, deadLetterQueueUrl, target, mirror, onFinding, histories };
  if (selectsAll(selection)) return { ...common, view: moment, studies: undefined };
  const { instances, studies } = await selectInstances(archive, selection, { ...moment, onFinding, signal });
  return { ...common, view: { ...moment, only: instances }, studies };
}

/** What is put on the queue stands in the job before. */
async function* instancesOf(
  { archive, mirror, view }: Plan,
  job: RestoreJobWriter,
  observer: ViewObserver,
): AsyncGenerator<QueueMessage> {
  for await (const instances of inParts(versionsIn(new ArchiveView(archive, { ...view, observer })))) {
    const part = await job.add({ instances });
    for (const { id } of instances) yield { v: 1, mirror, kind: 'restore', job: job.id, part, id };
  }
}

async function* versionsIn(view: ArchiveView): AsyncGenerator<JobInstance> {
  for await (const { id, md5, sizeBytes } of view.inventory()) {
    if (md5 !== undefined) yield { id, md5, sizeBytes };
  }
}

async function* studiesOf(plan: Plan, job: RestoreJobWriter): AsyncGenerator<QueueMessage> {
  const { archive, mirror, studies: only, onFinding } = plan;
  const { at } = plan.view;
  async function* selected(): AsyncGenerator<OrthancId> {
    for await (const { id } of listStudiesAt(archive.objects, { at, only, onFinding })) yield id;
  }
  for await (const ids of inParts(selected())) {
    const part = await job.add({ studies: ids });
    for (const id of ids) yield { v: 1, mirror, kind: 'restore-study', job: job.id, part, id };
  }
}

async function* inParts<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let part: Item[] = [];
  for await (const item of items) {
    part.push(item);
    if (part.length < partSize) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}

/** Sends messages and waits until the queues are empty. @returns how many were sent */
async function work(
  { client, queueUrl, largeQueueUrl }: Plan,
  messages: AsyncIterable<QueueMessage>,
  what: string,
  { terminal, interruption }: CommandContext,
): Promise<number> {
  let sent = 0;
  async function* counted(): AsyncGenerator<QueueMessage> {
    for await (const message of messages) {
      if (interruption.aborted) return;
      sent += 1;
      yield message;
    }
  }
  await sqsQueue({ queueUrl, client }).send(counted());
  terminal.say(`${sent} ${what} are on the queue`);
  using shown = startProgress(terminal, 'restoring by the stack');
  for (let empty = 0; empty < emptyInARow && !interruption.aborted; ) {
    const left = (await sqsLeft(client, queueUrl)) + (await sqsLeft(client, largeQueueUrl));
    empty = left === 0 ? empty + 1 : 0;
    shown.show({ instances: Math.max(sent - left, 0), totalInstances: sent, unit: what });
    await delay(askEveryMs, undefined, { signal: interruption }).catch(() => undefined);
  }
  return sent;
}
