import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { createTerminal } from '../../cli/terminal.ts';

class Recorder extends EventEmitter {
  text = '';
  readonly columns = 20;
  readonly isTTY: boolean;
  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

test('data goes to stdout, talk to stderr', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const terminal = createTerminal(stdout, stderr);
  terminal.print('data');
  terminal.printJson({ copied: 1 });
  terminal.say('talk');
  terminal.warn('careful');
  expect(stdout.text).toBe('data\n{"copied":1}\n');
  expect(stderr.text).toBe('talk\nwarning: careful\n');
});

test('a status line is cut to the width and gives way to what follows', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder(true)];
  const terminal = createTerminal(stdout, stderr);
  terminal.showStatus('a status line of more than twenty columns');
  terminal.say('talk');
  expect(stderr.text).toBe('\r\u001b[2Ka status line of mo\r\u001b[2Ktalk\n');
});

test('where stderr is no terminal there are no status lines', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  createTerminal(stdout, stderr).showStatus('status');
  expect(stderr.text).toBe('');
});

test('a reader that goes away ends the data, not the command', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const terminal = createTerminal(stdout, stderr);
  terminal.print('first');
  stdout.emit('error', Object.assign(new Error('broken pipe'), { code: 'EPIPE' }));
  terminal.print('second');
  expect(terminal.readerGone).toBe(true);
  expect(stdout.text).toBe('first\n');
});

test('any other error of stdout is not hidden', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  createTerminal(stdout, stderr);
  const diskFull = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  expect(() => stdout.emit('error', diskFull)).toThrow(diskFull);
});
