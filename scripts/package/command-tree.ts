/** What commands and options there are, as the program itself declares them: for completion and the man page. */
import type { Argument, Command, Option } from 'commander';
import { createProgram } from '../../cli/program.ts';
import { createTerminal } from '../../cli/terminal.ts';

/** What may follow an option or a command: a file, one of some words, or anything. */
export type Values =
  | { readonly kind: 'files' | 'anything' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export interface OptionOfCommand {
  /** With its dashes: `--archive`. */
  readonly names: readonly string[];
  /** As the help writes it: `--archive <place>`. */
  readonly flags: string;
  readonly description: string;
  readonly variable: string | undefined;
  /** Absent for a switch. */
  readonly value: Values | undefined;
}

export interface CommandOfProgram {
  /** `backup list`; empty for the program itself. */
  readonly path: string;
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly description: string;
  readonly options: readonly OptionOfCommand[];
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly value: Values }[];
  readonly commands: readonly CommandOfProgram[];
}

const filePlaceholder = /^(file|folder|path|place|archive)$/;

/** The program with its commands. Nothing of it is run. */
export function commandTree(): CommandOfProgram {
  const program = createProgram({
    terminal: createTerminal(process.stdout, process.stderr),
    interruption: new AbortController().signal,
    finish: () => undefined,
  });
  return commandOf(program, '');
}

/** A command and all below it, the command first. */
export function everyCommand(command: CommandOfProgram): readonly CommandOfProgram[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function commandOf(command: Command, path: string): CommandOfProgram {
  const help = command.createHelp();
  return {
    path,
    name: command.name(),
    usage: help.commandUsage(command).replace(/^orthanc-mirror\|?\S*/, 'orthanc-mirror'),
    summary: command.summary() === '' ? command.description() : command.summary(),
    description: command.description(),
    options: help.visibleOptions(command).map(optionOf),
    arguments: command.registeredArguments.map(argumentOf),
    commands: help
      .visibleCommands(command)
      .filter((each) => each.name() !== 'help')
      .map((each) => commandOf(each, `${path} ${each.name()}`.trim())),
  };
}

function optionOf({
  long,
  short,
  flags,
  description,
  envVar,
  argChoices,
  required,
  optional,
}: Option): OptionOfCommand {
  return {
    names: [short, long].filter((name) => name !== undefined && name !== null),
    flags,
    description,
    variable: envVar,
    value: required || optional ? valuesOf(/[<[]([\w:|-]+)/.exec(flags)?.[1] ?? '', argChoices) : undefined,
  };
}

function argumentOf(argument: Argument): CommandOfProgram['arguments'][number] {
  return {
    name: argument.name(),
    description: argument.description,
    value: valuesOf(argument.name(), argument.argChoices),
  };
}

function valuesOf(placeholder: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { kind: 'words', words: choices };
  return { kind: filePlaceholder.test(placeholder) ? 'files' : 'anything' };
}
