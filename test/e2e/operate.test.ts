/** The commands of those who operate a mirror: what becomes a dead letter, what is paused, what the configuration says. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { LocalQueues } from '../../local/stack/local-queues.ts';
import { runCommand } from '../support/command.ts';
import { sampleId } from '../support/memory-store.ts';
import { folderForTest, serverForTest, storeAll } from './support/scene.ts';

async function configurationFile(folder: string, mirror: unknown): Promise<string> {
  const file = join(folder, 'mirror.config.json');
  await writeFile(file, JSON.stringify({ mirrors: { main: mirror } }));
  return file;
}

const secured = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

/** The queue of a mirror and the dead-letter queue, with letters of two reasons, one of another mirror and one of a stranger. */
async function queuesWithDeadLetters(count: number) {
  const common = { visibilityTimeoutSeconds: 60, retentionSeconds: 3600 };
  const queues = await LocalQueues.start(
    [
      { logicalId: 'Dead', name: 'Stack_dead-letters', ...common },
      {
        logicalId: 'Work',
        name: 'Stack_main_backlog',
        ...common,
        redrive: { deadLetterQueue: 'Dead', maxReceiveCount: 3 },
      },
    ],
    join(await folderForTest(), 'queues'),
  );
  onTestFinished(() => queues.stop());
  const client = new SQSClient({
    endpoint: queues.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  onTestFinished(() => client.destroy());
  const deadLetters = async (body: string, code: string) => {
    const attribute = (StringValue: string) => ({ DataType: 'String', StringValue });
    const MessageAttributes = { code: attribute(code), reason: attribute(`because of ${code}`) };
    await client.send(new SendMessageCommand({ QueueUrl: queues.url('Dead'), MessageBody: body, MessageAttributes }));
  };
  for (let n = 1; n <= count; n += 1) {
    const body = JSON.stringify({ v: 1, mirror: 'main', kind: 'instance', id: sampleId(n) });
    await deadLetters(body, n % 2 === 0 ? 'refused' : 'unreachable');
  }
  await deadLetters(JSON.stringify({ v: 1, mirror: 'removed', kind: 'instance', id: sampleId(99) }), 'refused');
  await deadLetters('CANARY of a stranger', 'malformed-message');
  const run = (...args: string[]) => runCommand([...args, '--queues', queues.urlOfName('Stack')], secured);
  return { queues, run };
}

test('failures lists the dead letters with the reasons, twice the same, and never the text of a stranger', async () => {
  const { queues, run } = await queuesWithDeadLetters(25);
  const first = await run('failures');
  expect(first.exitCode).toBe(3);
  expect(first.stdout).toMatch(new RegExp(`^${sampleId(7)} +main +\\S+ +unreachable +because of unreachable$`, 'm'));
  expect(first.stdout).toContain('27 dead letters: ');
  expect(first.stdout).not.toContain('CANARY');
  const again = await run('failures', '--json');
  const lines = again.stdout.trimEnd().split('\n');
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({
    type: 'summary',
    failures: 27,
    codes: { unreachable: 13, refused: 13, 'malformed-message': 1 },
  });
  const { waiting = 0, inFlight = 0 } = queues.depths().Dead ?? {};
  expect(waiting + inFlight).toBe(27);
});

test('redrive sends again dead letters for a reason, to the queue of its mirror', async () => {
  const { queues, run } = await queuesWithDeadLetters(12);
  const result = await run('redrive', '--code', 'refused', '--rate', '100');
  // One is of a mirror that has no queue any more.
  expect(result.stdout.trim()).toBe('6 sent again, 8 left where they were');
  expect(queues.depths().Work).toEqual({ waiting: 6, inFlight: 0 });
  expect((await run('failures')).stdout).toContain('8 dead letters: 6 unreachable, 1 refused, 1 malformed-message\n');
});

test('pause is seen by status until resume asks for the next tick', async () => {
  const folder = await folderForTest();
  const source = await serverForTest();
  await storeAll(source, generateInstances('operate', 3, 2048));
  const archive = join(folder, 'archive');
  await mkdir(archive);
  const targets = { standby: { url: 'http://127.0.0.1:9/' } };
  const config = await configurationFile(folder, {
    source: { url: source.url },
    targets,
    archive: { folder: archive },
  });
  const paused = await runCommand([
    'pause',
    'main',
    '--config',
    config,
    '--target',
    'standby',
    '--reason',
    'new disks',
  ]);
  expect(paused).toMatchObject({ exitCode: 0, stderr: '' });
  const status = await runCommand(['status', '--config', config]);
  expect(status.exitCode).toBe(7);
  expect(status.stdout).toMatch(/^ +source +3$/m);
  expect(status.stdout).toMatch(/main target standby +not counted: .* refuses connections/);
  expect(status.stdout).toMatch(/main target standby is paused +since .*: new disks/);
  const resumed = await runCommand(['resume', 'main', '--config', config]);
  expect(resumed.stdout).toContain('goes on within a minute: main target standby');
});

test('config check tells every problem of a file, config explain what holds, config schema what may be written', async () => {
  const folder = await folderForTest();
  const good = await configurationFile(folder, { source: { url: 'http://source.example.org/' }, archive: {} });
  expect((await runCommand(['config', 'check', good])).exitCode).toBe(0);
  const forCloud = await runCommand(['config', 'check', '--cloud', good]);
  expect(forCloud).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is not encrypted') });
  const explained = await runCommand(['config', 'explain', good]);
  expect(explained.stdout).toContain('mirrors.main.follow.compareEveryHours = 24\n');
  const schema = await runCommand(['config', 'schema']);
  expect(JSON.parse(schema.stdout)).toMatchObject({ properties: { mirrors: expect.anything() } });
});
