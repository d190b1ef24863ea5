/**
 * Lets the stack in the cloud restore: puts every selected instance on its queue, waits until the queue is empty, then
 * does the same with the study documents. Meanwhile the mirror itself leaves the target alone. What the stack put aside
 * is told at the end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { listStudiesAt } from '../../core/catalogue/list-documents.ts';
import { targetStoreName } from '../../core/config/store-names.ts';
import { MirrorError } from '../../core/errors.ts';
import type { OrthancId } from '../../core/identifiers.ts';
import { askToPause, askToResume } from '../../core/pause/ask.ts';
import { pauseBeside } from '../../core/pause/pause.ts';
import type { QueueMessage } from '../../core/queue/message.ts';
import { createSqsClient } from '../../core/queue/sqs-client.ts';
import { deadLetterQueueOf, sqsLeft } from '../../core/queue/sqs-depths.ts';
import { sqsQueue } from '../../core/queue/sqs-queue.ts';
import { ArchiveView, type ViewObserver, type ViewOptions } from '../../core/restore/archive-view.ts';
import { selectInstances } from '../../core/restore/select-instances.ts';
import { selectsAll } from '../../core/restore/selection.ts';
import type { OnSidecarFinding } from '../../core/sidecars/sidecar-state.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { CommandContext } from '../command-context.ts';
import type { RestoreOptionValues } from '../commands/restore.ts';
import { type ExitCode, exitCodeOf, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { tellFindings } from '../sidecar-findings.ts';
import { isServerUrl, momentOf, openArchiveToRead, selectionOf } from './open-restore.ts';
import { ProblemPrinter, unsettledLine } from './print-problems.ts';
import { type PutAside, PutAsideMeanwhile } from './put-aside-meanwhile.ts';

const askEveryMs = 2_000;
/** The counts of SQS lag behind for a few seconds: an empty queue must be seen so often in a row. */
const emptyInARow = 3;

interface Plan {
  readonly archive: Archive;
  readonly client: SQSClient;
  readonly queueUrl: string;
  readonly mirror: string;
  readonly target: string;
  readonly view: Pick<ViewOptions, 'at' | 'only' | 'includeRemoved'>;
  /** Studies whose documents are restored; absent: all. */
  readonly studies: ReadonlySet<OrthancId> | undefined;
  readonly onFinding: OnSidecarFinding;
}

/** Throws a MirrorError if it cannot be begun. After an interruption the messages are worked on all the same. */
export async function queueRestore(
  options: RestoreOptionValues,
  queueUrl: string,
  context: CommandContext,
): Promise<ExitCode> {
  const { interruption: signal } = context;
  const { repair, replace, verify, dryRun } = options;
  if (isServerUrl(options.to) || [repair, replace, verify, dryRun].includes(true)) {
    throw new MirrorError(
      'configuration',
      '--queue needs --to NAME of a target of the stack, and goes with neither --repair, --replace, --verify nor --dry-run',
    );
  }
  // The endpoint is part of the address of a queue, also of an emulator.
  const client = createSqsClient(new URL(queueUrl).origin);
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  try {
    const plan = await planOf(archive, { client, queueUrl }, options, context);
    return await restoreByStack(plan, options.json ?? false, context);
  } finally {
    await archive.close();
    client.destroy();
  }
}

async function restoreByStack(plan: Plan, json: boolean, context: CommandContext): Promise<ExitCode> {
  const { archive, client, queueUrl, mirror, target } = plan;
  const { terminal, interruption: signal } = context;
  const deadLetterQueueUrl = await deadLetterQueueOf(client, queueUrl);
  const meanwhile = await PutAsideMeanwhile.begin({ client, deadLetterQueueUrl }, { mirror, target });
  const pause = pauseBeside(archive.objects);
  const store = targetStoreName(mirror, target);
  await askToPause(pause, 'a restore is under way; it ends with it, or with "resume"', store);
  terminal.say(`${store} is left alone by its mirror meanwhile`);
  let [rejected, failed] = [0, 0];
  const observer: ViewObserver = {
    onUnsettled: (id) => terminal.warn(unsettledLine(id)),
    onLost: (id, md5) => {
      rejected += 1;
      new ProblemPrinter(terminal, json).lost(id, archive.name, md5);
    },
  };
  const instances = await work(plan, instancesOf(plan, observer), 'instances', context);
  const studies = signal.aborted ? 0 : await work(plan, studiesOf(plan), 'study documents', context);
  if (signal.aborted) {
    terminal.warn(
      'what is on the queue is restored all the same; then run the same again, which lets the mirror go on',
    );
    return exitCodes.interrupted;
  }
  await askToResume(pause, store);
  for await (const putAside of meanwhile.found()) {
    if (putAside.outcome === 'rejected') rejected += 1;
    else failed += 1;
    if (json) terminal.printJson(putAside);
    else terminal.print(lineOf(putAside));
  }
  const exitCode = exitCodeOf({ conflicting: 0, rejected, failed });
  if (json) terminal.printJson({ type: 'summary', mirror, target, instances, studies, rejected, failed, exitCode });
  else terminal.print(summaryLine(instances, studies, rejected, failed));
  return exitCode;
}

function lineOf({ id, outcome, code, reason }: PutAside): string {
  return `${id}  ${outcome}  ${reason} (${code})`;
}

function summaryLine(...counts: [instances: number, studies: number, rejected: number, failed: number]): string {
  const [instances, studies, rejected, failed] = counts.map(formatCount);
  const worked = `${instances} instances and ${studies} study documents were worked on`;
  return `${worked}; rejected ${rejected}, failed ${failed}`;
}

async function planOf(
  archive: Archive,
  queue: Pick<Plan, 'client' | 'queueUrl'>,
  options: RestoreOptionValues,
  { terminal, interruption: signal }: CommandContext,
): Promise<Plan> {
  const { includeRemoved, to: target } = options;
  const at = momentOf(options.at);
  const selection = selectionOf(options);
  const { note: onFinding } = tellFindings(terminal);
  const common = { archive, ...queue, target, mirror: archive.manifest.source.name, onFinding };
  if (selectsAll(selection)) return { ...common, view: { at, includeRemoved }, studies: undefined };
  const { instances, studies } = await selectInstances(archive, selection, { at, includeRemoved, onFinding, signal });
  return { ...common, view: { at, includeRemoved, only: instances }, studies };
}

async function* instancesOf(
  { archive, mirror, target, view }: Plan,
  observer: ViewObserver,
): AsyncGenerator<QueueMessage> {
  for await (const { id, md5, sizeBytes } of new ArchiveView(archive, { ...view, observer }).inventory()) {
    if (md5 !== undefined) yield { v: 1, mirror, kind: 'restore', target, id, md5, sizeBytes };
  }
}

async function* studiesOf(plan: Plan): AsyncGenerator<QueueMessage> {
  const { archive, mirror, target, studies: only, onFinding } = plan;
  const { at } = plan.view;
  for await (const { id } of listStudiesAt(archive.objects, { at, only, onFinding })) {
    yield { v: 1, mirror, kind: 'restore-study', target, id, ...(at && { at: at.toISOString() }) };
  }
}

/** Sends messages and waits until the queue is empty. @returns how many were sent */
async function work(
  { client, queueUrl }: Plan,
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
  for (let empty = 0; empty < emptyInARow && !interruption.aborted; ) {
    const left = await sqsLeft(client, queueUrl);
    empty = left === 0 ? empty + 1 : 0;
    terminal.showStatus(`${left} messages left of ${sent} ${what}`);
    await delay(askEveryMs, undefined, { signal: interruption }).catch(() => undefined);
  }
  return sent;
}
