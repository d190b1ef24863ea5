/** Who uses the cloud knows no options, so `core` names none; the command line says them of every error. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { reasonOf } from '../../cli/next-steps.ts';
import { createProgram } from '../../cli/program.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { advices, MirrorError } from '../../core/errors.ts';

const root = join(import.meta.dirname, '../..');

/** Where options stand in texts, and why. */
const exceptions: Readonly<Record<string, string>> = {
  'core/host/advise/': 'its purpose is to print the commands of an upgrade',
  'core/host/backup/capture-mysql.ts': 'options of mysqldump',
  'core/host/backup/capture-postgresql.ts': 'options of pg_dump',
  'core/host/backup/restore-mysql.ts': 'options of mysql',
  'core/host/backup/restore-postgresql.ts': 'options of pg_restore',
  'core/host/backup/schedule.ts': 'prints a timer of systemd',
  'core/orthanc-disk/index/mysql-connection.ts': 'options of mysql',
  'core/orthanc-disk/index/mysql-session.ts': 'options of mysql',
  'core/orthanc-disk/index/postgresql-connection.ts': 'options of psql',
  'core/cloud/status/status-page.ts': 'variables of a style sheet',
};

/** The options in what is not a comment. */
function optionsIn(text: string): readonly string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
  return [...code.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option);
}

const files = globSync('core/**/*.ts', { cwd: root });
const isExcepted = (file: string) => Object.keys(exceptions).some((place) => file.startsWith(place));
const optionsOf = (file: string) => optionsIn(readFileSync(join(root, file), 'utf8'));

test('core names no option of a command', () => {
  expect(files.length).toBeGreaterThan(200);
  const found = files
    .filter((file) => !isExcepted(file))
    .flatMap((file) => optionsOf(file).map((one) => `${file}: ${one}`));
  expect(found).toEqual([]);
});

test.each(Object.keys(exceptions))('%s is an exception because it has options', (place) => {
  expect(files.filter((file) => file.startsWith(place)).flatMap(optionsOf)).not.toEqual([]);
});

describe('what core advises', () => {
  const texts = files.filter((file) => file !== 'core/errors.ts').map((file) => readFileSync(join(root, file), 'utf8'));
  const options = optionsOfCommands();

  test.each(advices)('"%s" is advised somewhere', (advice) => {
    expect(texts.some((text) => text.includes(`'${advice}'`))).toBe(true);
  });

  test.each(advices)('"%s" is said with options that a command has', (advice) => {
    const reason = reasonOf(new MirrorError('configuration', 'what is wrong', { advice }));
    const named = optionsIn(reason);
    expect(reason).toMatch(/^what is wrong; /);
    expect(named).not.toEqual([]);
    expect(named.filter((option) => !options.has(option))).toEqual([]);
  });
});

test('an error without advice is told as it is', () => {
  expect(reasonOf(new MirrorError('busy', 'it is busy; it is tried again'))).toBe('it is busy; it is tried again');
});

/** The long options of all commands. */
function optionsOfCommands(): ReadonlySet<string | undefined> {
  const stream = { write: () => true, on: () => undefined };
  const terminal = createTerminal(stream, stream);
  const context = { terminal, interruption: new AbortController().signal, finish: () => undefined };
  const program = createProgram(context);
  const all = (command: typeof program): readonly (string | undefined)[] => [
    ...command.options.map(({ long }) => long ?? undefined),
    ...command.commands.flatMap(all),
  ];
  return new Set(all(program));
}
