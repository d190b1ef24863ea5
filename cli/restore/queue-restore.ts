/**
 * Lets the stack in the cloud restore: puts every selected instance on its queue, waits until the queue is empty, then
 * does the same with the study documents. Meanwhile the mirror itself leaves the target alone.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readStudiesAt } from '../../core/catalogue/list-documents.ts';
import { targetStoreName } from '../../core/config/store-names.ts';
import { MirrorError } from '../../core/errors.ts';
import { askToPause, askToResume } from '../../core/pause/ask.ts';
import { Pause } from '../../core/pause/pause.ts';
import type { QueueMessage } from '../../core/queue/message.ts';
import { createSqsClient } from '../../core/queue/sqs-client.ts';
import { sqsLeft } from '../../core/queue/sqs-depths.ts';
import { sqsQueue } from '../../core/queue/sqs-queue.ts';
import { ArchiveView, type ViewOptions } from '../../core/restore/archive-view.ts';
import { selectInstances } from '../../core/restore/select-instances.ts';
import { selectsAll } from '../../core/restore/selection.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import type { CommandContext } from '../command-context.ts';
import type { RestoreOptionValues } from '../commands/restore.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { isServerUrl, momentOf, openArchiveToRead, selectionOf } from './open-restore.ts';

const askEveryMs = 2_000;
/** The counts of SQS lag behind for a few seconds: an empty queue must be seen so often in a row. */
const emptyInARow = 3;

interface Plan {
  readonly archive: Archive;
  readonly queueUrl: string;
  readonly mirror: string;
  readonly target: string;
  readonly view: Pick<ViewOptions, 'at' | 'only' | 'includeRemoved'>;
  /** Studies whose documents are restored; absent: all. */
  readonly studies: ReadonlySet<string> | undefined;
}

/** Throws a MirrorError if it cannot be begun. After an interruption the messages are worked on all the same. */
export async function queueRestore(
  options: RestoreOptionValues,
  queueUrl: string,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, interruption: signal } = context;
  if (isServerUrl(options.to) || options.repair === true || options.verify === true || options.dryRun === true) {
    throw new MirrorError(
      'configuration',
      '--queue needs --to NAME of a target of the stack, and goes with neither --repair, --verify nor --dry-run',
    );
  }
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  try {
    const plan = await planOf(archive, queueUrl, options, signal);
    const pause = new Pause(archive.objects);
    const store = targetStoreName(plan.mirror, plan.target);
    await askToPause(pause, 'a restore is under way; it ends with it, or with "resume"', store);
    terminal.say(`${store} is left alone by its mirror meanwhile`);
    const instances = await work(plan, instancesOf(plan), 'instances', context);
    const studies = signal.aborted ? 0 : await work(plan, studiesOf(plan), 'study documents', context);
    if (signal.aborted) {
      terminal.warn(
        'what is on the queue is restored all the same; then run the same again, which lets the mirror go on',
      );
      return exitCodes.interrupted;
    }
    await askToResume(pause, store);
    const { mirror, target } = plan;
    if (options.json === true) terminal.printJson({ mirror, target, instances, studies });
    else
      terminal.print(
        `${instances} instances and ${studies} study documents were worked on; see the dead letters for what failed`,
      );
    return exitCodes.ok;
  } finally {
    await archive.close();
  }
}

async function planOf(
  archive: Archive,
  queueUrl: string,
  options: RestoreOptionValues,
  signal: AbortSignal,
): Promise<Plan> {
  const { includeRemoved, to: target } = options;
  const at = momentOf(options.at);
  const selection = selectionOf(options);
  const common = { archive, queueUrl, target, mirror: archive.manifest.source.name };
  if (selectsAll(selection)) return { ...common, view: { at, includeRemoved }, studies: undefined };
  const { instances, studies } = await selectInstances(archive, selection, { at, includeRemoved, signal });
  return { ...common, view: { at, includeRemoved, only: instances }, studies };
}

async function* instancesOf({ archive, mirror, target, view }: Plan): AsyncGenerator<QueueMessage> {
  for await (const { id, md5, sizeBytes } of new ArchiveView(archive, view).inventory()) {
    if (md5 !== undefined) yield { v: 1, mirror, kind: 'restore', target, id, md5, sizeBytes };
  }
}

async function* studiesOf({ archive, mirror, target, view: { at }, studies }: Plan): AsyncGenerator<QueueMessage> {
  for await (const { document } of readStudiesAt(archive.objects, { at })) {
    if (studies?.has(document.id) === false) continue;
    yield { v: 1, mirror, kind: 'restore-study', target, id: document.id, ...(at && { at: at.toISOString() }) };
  }
}

/** Sends messages and waits until the queue is empty. @returns how many were sent */
async function work(
  { queueUrl }: Plan,
  messages: AsyncIterable<QueueMessage>,
  what: string,
  { terminal, interruption }: CommandContext,
): Promise<number> {
  // The endpoint is part of the address of a queue, also of an emulator.
  const client = createSqsClient(new URL(queueUrl).origin);
  let sent = 0;
  try {
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
  } finally {
    client.destroy();
  }
}
