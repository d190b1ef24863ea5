/** What `--verbose` tells. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Requests } from '../../cli/requests.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { MirrorError } from '../../core/errors.ts';
import { telling } from '../../core/stores/activity.ts';
import { runInProcess } from '../support/in-process-command.ts';

class Recorder extends EventEmitter {
  text = '';
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

test('each request that failed is a line with its reason, and all are counted by store', async () => {
  const stderr = new Recorder();
  const requests = new Requests(createTerminal(new Recorder(), stderr));
  await telling('standby', async () => 'an answer');
  const failing = async () => {
    throw new MirrorError('busy', 'standby answered 503; it is tried again');
  };
  await expect(telling('standby', failing)).rejects.toThrow('503');
  await telling('archive', async () => 'an answer');
  requests.end();
  await telling('standby', async () => 'an answer that nobody counts');
  const [failed, ...counts] = stderr.text.trimEnd().split('\n');
  expect(failed).toMatch(/^\d{4}-\S+Z request 2 to standby: standby answered 503; it is tried again \(busy\)$/);
  expect(counts).toEqual(['standby: 1 requests answered, 1 failed', 'archive: 1 requests answered, 0 failed']);
});

test('it goes with every command, and not with --quiet', async () => {
  expect(await runInProcess('estimate', '--instances', '10', '-v')).toMatchObject({ exitCode: 0 });
  expect(await runInProcess('estimate', '--instances', '10', '-v', '-q')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--quiet'),
  });
});
