/** Synthesizes a stack for a test with a configuration of its own, as `cdk synth -c config=FILE` does. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** @returns the folder with the synthesized stack and its bundled functions, below `folder` */
export async function synthesizeStack(configuration: unknown, folder: string): Promise<string> {
  const configurationFile = join(folder, 'mirror.config.json');
  const templateFolder = join(folder, 'cdk.out');
  await writeFile(configurationFile, JSON.stringify(configuration));
  await promisify(execFile)(
    'node_modules/.bin/cdk',
    ['synth', '--quiet', '--context', `config=${configurationFile}`, '--output', templateFolder],
    { env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder } },
  );
  return templateFolder;
}
