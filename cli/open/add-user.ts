import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { CommandContext } from '../command-context.ts';
import { addUser } from './users.ts';

/** The work of `open-user`: the password is the first line of stdin, and is not shown while it is typed. */
export async function addUserFromInput(
  name: string,
  file: string,
  { terminal }: CommandContext,
  json: boolean,
): Promise<void> {
  const isTyped = process.stdin.isTTY === true;
  if (isTyped) terminal.say(`password of ${name} (10 characters or more; it is not shown):`);
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output, terminal: isTyped });
  const password = await firstLine(lines);
  lines.close();
  await addUser(file, name, password);
  if (json) terminal.printJson({ type: 'user', name, file });
  else terminal.say(`${name} was added to ${file}`);
}

async function firstLine(lines: AsyncIterable<string>): Promise<string> {
  for await (const line of lines) return line.replace(/\r$/, '');
  return '';
}
