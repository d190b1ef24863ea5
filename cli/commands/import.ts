/** `import`: brings DICOM files from a folder, archives or a storage of Orthanc into a server, an archive, or both. */
import { type Command, Option } from 'commander';
import { orthancEncodings } from '../../core/dicom/charset.ts';
import type { CommandContext } from '../command-context.ts';
import { importOptionValues } from '../import/options.ts';
import { endpointOption, jsonOption, optionsOf, switchOption, valueOption, wholeNumber } from '../options.ts';
import { serverOptions } from '../server-options.ts';
import { reportOption } from '../session.ts';

export function registerImport(program: Command, context: CommandContext): void {
  const command = program
    .command('import')
    .summary('import DICOM files from a folder, archives, or a storage of Orthanc')
    .description(
      'Finds every DICOM file at or below PATH, in zip, tar and gzip too, and in the storage of an Orthanc server of ' +
        'any age, compressed or encrypted; copies what server and archive lack, and verifies it. Running again goes ' +
        'on where it stopped.',
    )
    .argument('<path>', 'a folder, a file, or s3://bucket/prefix')
    .addOption(valueOption('--to <url>', 'URL of the server to import to; may be absent if there is an archive'))
    .addOption(valueOption('--archive <place>', 'archive to import to: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(endpointOption('--source-endpoint', 'address of the S3-compatible store of PATH; default: --endpoint'))
    .addOption(reportOption())
    .addOption(valueOption('--index <file>', 'SQLite index of the storage; default: the one in PATH, if there is one'))
    .addOption(new Option('--no-index', 'do not use the index in PATH'))
    .addOption(
      valueOption('--master-key <id:file...>', 'master key of the object-storage plugin, by its id, base64 in a file'),
    )
    .addOption(
      valueOption(
        '--default-encoding <name>',
        'how a PatientID is read whose file does not say; default: as the server',
      ).choices(orthancEncodings),
    )
    .addOption(
      switchOption('--accept-without-pixel-data', 'accept images without pixels in a compressed storage without index'),
    )
    .addOption(switchOption('--dry-run', 'look and compare only, and tell what would be stored'))
    .addOption(valueOption('--concurrency <n>', 'most files handled at once (default: 16)').argParser(wholeNumber(1)))
    .addOption(jsonOption());
  for (const option of serverOptions('target')) command.addOption(option);
  command.action(async (path: string, values: unknown) => {
    const { runImport } = await import('../import/run-import.ts');
    context.finish(await runImport({ path, values, options: optionsOf(importOptionValues, values) }, context));
  });
}
