/** The man page, written from the commands that the program declares. */
import { exitCodes } from '../../cli/exit-codes.ts';
import { type CommandOfProgram, everyCommand, type OptionOfCommand } from './command-tree.ts';

const codeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'All done and equal.',
  internal: 'Internal error: a defect of this program.',
  usage: 'Wrong usage or configuration; nothing was done.',
  rejected: 'Some instances were rejected or are in conflict; running again gives the same.',
  different: 'check, verify, audit or advise found something.',
  cold: 'Some instances lie in a cold storage class: restore --thaw asks for copies of them; then run again.',
  failed: 'Some instances failed and can be retried: run again.',
  deletionGuard: 'Too much is gone from the source at once; nothing was deleted.',
  refused: 'A server refused us, is full or cannot be reached, or the mirror is paused.',
  interrupted: 'Stopped by a signal; running again goes on.',
};

/** The page for section 1. @param date of the version */
export function manPage(program: CommandOfProgram, version: string, date: Date): string {
  const commands = everyCommand(program).filter(({ path }) => path !== '');
  return `${[
    `.TH ORTHANC\\-MIRROR 1 ${date.toISOString().slice(0, 10)} "orthanc\\-mirror ${version}" "User Commands"`,
    // Names of options and variables are copied: they stay whole.
    '.nh',
    '.ad l',
    '.SH NAME',
    'orthanc\\-mirror \\- keep a second Orthanc DICOM server identical to a first one, and a provable archive',
    '.SH SYNOPSIS',
    '.B orthanc\\-mirror',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    text(`${program.description}.`),
    '.PP',
    'Data goes to standard output, progress and warnings to standard error.',
    'Passwords are never options: give a file, or a variable.',
    '.SH COMMANDS',
    ...commands.flatMap(commandLines),
    '.SH EXIT STATUS',
    ...Object.entries(codeMeanings).flatMap(([name, meaning]) => ['.TP', `.B ${codeOf(name)}`, text(meaning)]),
    '.SH ENVIRONMENT',
    'A variable that is named with an option stands for it. An option wins over its variable, a variable over the',
    'configuration file.',
    '.SH FILES',
    '.TP',
    '.I /etc/orthanc\\-mirror/NAME.jsonc',
    'The mirror NAME of the service',
    '.BR orthanc\\-mirror@NAME .',
    '.TP',
    '.I /etc/orthanc\\-mirror/NAME.env',
    'Variables for that service and for',
    '.BR orthanc\\-mirror\\-verify@NAME .',
  ].join('\n')}\n`;
}

function codeOf(name: string): string {
  return String(Object.entries(exitCodes).find(([each]) => each === name)?.[1]);
}

function commandLines({
  path,
  usage,
  description,
  summary,
  arguments: given,
  options,
  commands,
}: CommandOfProgram): string[] {
  return [
    `.SS ${text(path)}`,
    `.B ${text(usage)}`,
    '.PP',
    text(`${description === '' ? summary : description}${description.endsWith('.') ? '' : '.'}`),
    ...given.flatMap((each) => ['.TP', `.I ${text(each.name.toUpperCase())}`, text(each.description)]),
    // A command that only has others says with them what it takes.
    ...(commands.length > 0 && options.length === 1 ? [] : options.filter(isOwn).flatMap(optionLines)),
  ];
}

/** `--help` is the same everywhere. */
function isOwn({ names }: OptionOfCommand): boolean {
  return !names.includes('--help');
}

function optionLines({ flags, description, variable }: OptionOfCommand): string[] {
  return ['.TP', `.B ${text(flags)}`, text(variable === undefined ? description : `${description} (${variable})`)];
}

/** Text in which nothing is a request of roff; dashes stay dashes, so that options can be copied. */
function text(plain: string): string {
  return plain.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
}
