/** The program with all its commands, ready to parse. */
import { Command } from 'commander';
import type { CommandContext } from './command-context.ts';
import { registerAdvise } from './commands/advise.ts';
import { registerAudit } from './commands/audit.ts';
import { registerBackup } from './commands/backup.ts';
import { registerCheck } from './commands/check.ts';
import { registerConfig } from './commands/config.ts';
import { registerDiff } from './commands/diff.ts';
import { registerEstimate } from './commands/estimate.ts';
import { registerExport } from './commands/export.ts';
import { registerFailures } from './commands/failures.ts';
import { registerFind } from './commands/find.ts';
import { registerImport } from './commands/import.ts';
import { registerLs } from './commands/ls.ts';
import { registerOpen } from './commands/open.ts';
import { registerPause } from './commands/pause.ts';
import { registerRedrive } from './commands/redrive.ts';
import { registerRestore } from './commands/restore.ts';
import { registerResume } from './commands/resume.ts';
import { registerRun } from './commands/run.ts';
import { registerServe } from './commands/serve.ts';
import { registerSnapshots } from './commands/snapshots.ts';
import { registerStatus } from './commands/status.ts';
import { registerVerify } from './commands/verify.ts';
import { type Session, sessionOptions } from './session.ts';
import { packageFacts } from './version.ts';

/** Every command, in the order of the help. */
const registrations: readonly ((program: Command, context: CommandContext) => void)[] = [
  registerRun,
  registerCheck,
  registerVerify,
  registerRestore,
  registerImport,
  registerBackup,
  registerAudit,
  registerAdvise,
  registerSnapshots,
  registerLs,
  registerFind,
  registerDiff,
  registerOpen,
  registerExport,
  registerStatus,
  registerServe,
  registerFailures,
  registerRedrive,
  registerPause,
  registerResume,
  registerEstimate,
  registerConfig,
];

/** Makes the program. Throws commander's `CommanderError` instead of ending the process. */
export function createProgram(context: CommandContext, session?: Session): Command {
  const { version, description } = packageFacts();
  const program = new Command('orthanc-mirror')
    .description(description)
    .version(version)
    .showHelpAfterError('(add --help for the options)')
    // Options behind the name of a command belong to that command, also where it has commands of its own.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => tellLines(text, (line) => context.terminal.print(line)),
      writeErr: (text) => tellLines(text, (line) => context.terminal.complain(line)),
    });
  for (const register of registrations) register(program, context);
  for (const command of leavesOf(program)) for (const option of sessionOptions()) command.addOption(option);
  program.hook('preAction', (_, command) => session?.begin(command, version));
  return program;
}

/** Every command that does something. */
function leavesOf(command: Command): readonly Command[] {
  const isLeaf = command.commands.length === 0 || command.options.length > 1;
  return [...(isLeaf && command.parent !== null ? [command] : []), ...command.commands.flatMap(leavesOf)];
}

function tellLines(text: string, tell: (line: string) => void): void {
  for (const line of text.trimEnd().split('\n')) tell(line);
}
