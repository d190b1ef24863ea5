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

test('results go to stdout, messages to stderr', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const terminal = createTerminal(stdout, stderr);
  terminal.print('data');
  terminal.printJson({ copied: 1 });
  terminal.say('message');
  terminal.warn('careful');
  expect(stdout.text).toBe('data\n{"copied":1}\n');
  expect(stderr.text).toBe('message\nwarning: careful\n');
});

test('a status line is cut to the width and gives way to what follows', () => {
  const [stdout, stderr] = [new Recorder(), new Recorder(true)];
  const terminal = createTerminal(stdout, stderr);
  terminal.showStatus('a status line of more than twenty columns');
  terminal.say('message');
  expect(stderr.text).toBe('\r\u001b[2Ka status line of mo\r\u001b[2Kmessage\n');
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

test.each([
  ['an escape', '\u001b[2J', '\\u001b[2J'],
  ['a C1 control', '\u009b2J', '\\u009b2J'],
  ['a line feed', 'a\nb\rc', 'a\\u000ab\\u000dc'],
  ['a turn of the direction', '\u202etxt.exe\u2069\u200f\u061c', '\\u202etxt.exe\\u2069\\u200f\\u061c'],
  ['a separator of lines', 'a\u2028b\u2029', 'a\\u2028b\\u2029'],
  ['a bell, DEL and NUL', '\u0007\u007f\u0000', '\\u0007\\u007f\\u0000'],
  ['half a surrogate pair', 'a\ud800b', 'a\\ud800b'],
])('%s from outside is shown, not obeyed, by every way of printing', (_, text, shown) => {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const terminal = createTerminal(stdout, stderr);
  terminal.print(text);
  terminal.printJson({ text });
  terminal.say(text);
  terminal.warn(text);
  expect(stdout.text.split('\n')[0]).toBe(shown);
  const json = stdout.text.split('\n')[1] ?? '';
  expect(json).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
  expect(JSON.parse(json)).toEqual({ text });
  expect(stderr.text).toBe(`${shown}\nwarning: ${shown}\n`);
});

test('other text is shown as it is', () => {
  const stdout = new Recorder();
  const text = 'Müller^Jörg\t山田 يونس 🐎 \\u001b';
  createTerminal(stdout, new Recorder()).print(text);
  expect(stdout.text).toBe(`${text}\n`);
});
