/** `open`: an archive in a viewer and behind DICOMweb, while no server exists. */
import type { Command } from 'commander';
import * as z from 'zod';
import { atOption } from '../archive-options.ts';
import type { CommandContext } from '../command-context.ts';
import { openOptionValues } from '../open/options.ts';
import { endpointOption, jsonOption, optionsOf, switchOption, valueOption } from '../options.ts';

export function registerOpen(program: Command, context: CommandContext): void {
  const command = program
    .command('open')
    .summary('read an archive in a viewer, while no server exists')
    .description(
      'Serves an archive as it is, or was at a moment: a viewer in the browser, DICOMweb, and what scripts for Orthanc ' +
        'read. Needs nothing but the archive and changes nothing in it. Emergency access: docs/emergency.md.',
    )
    .addOption(valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix').makeOptionMandatory())
    .addOption(endpointOption())
    .addOption(atOption())
    .addOption(valueOption('--listen <host:port>', 'where browsers reach it (default: 127.0.0.1:8043)'))
    .addOption(
      valueOption('--tls-cert <file>', 'certificate for HTTPS, in PEM; needed unless it listens on this machine'),
    )
    .addOption(valueOption('--tls-key <file>', 'its private key, in PEM'))
    .addOption(valueOption('--users <file>', 'file of users that may look: open-user adds them'))
    .addOption(valueOption('--token-file <file>', 'file with the token that programs send as Authorization: Bearer'))
    .addOption(valueOption('--allow-origin <origin>', 'pages of this origin may ask too: https://viewer.example.org'))
    .addOption(valueOption('--access-log <file>', 'log of who looked at what (default: ~/.local/state/orthanc-mirror)'))
    .addOption(switchOption('--index', 'also read all headers, so that every study is there at once; resumable'))
    .addOption(jsonOption());
  command.action(async (values: unknown) => {
    const { open } = await import('../open/open.ts');
    context.finish(await open(optionsOf(openOptionValues, values), context));
  });
  registerUser(program, context);
  registerLog(program, context);
}

function registerUser(program: Command, context: CommandContext): void {
  program
    .command('open-user')
    .summary('add a user who may look at an archive')
    .description('Reads a password from stdin and adds the user to the file of open --users.')
    .argument('<name>', 'name of the user')
    .addOption(valueOption('--users <file>', 'file of users; made if there is none').makeOptionMandatory())
    .addOption(jsonOption())
    .action(async (name: string, values: unknown) => {
      const { addUserFromInput } = await import('../open/add-user.ts');
      const { users, json } = optionsOf(z.object({ users: z.string(), json: z.boolean().optional() }), values);
      await addUserFromInput(name, users, context, json === true);
    });
}

function registerLog(program: Command, context: CommandContext): void {
  program
    .command('open-log')
    .summary('check that a log of open is whole')
    .description('Checks the chain of hashes of a log that open wrote; exit code 4 if a line was changed or taken out.')
    .argument('<file>', 'the log')
    .addOption(jsonOption())
    .action(async (file: string) => {
      const { checkLog } = await import('../open/check-log.ts');
      context.finish(await checkLog(file, context));
    });
}
