/** Synthesizes the cloud stack for the demo, exactly as `cdk synth` does before a deployment; needs no network. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const checkout = fileURLToPath(new URL('..', import.meta.url));

/** @returns the folder with the template and the bundled functions, below `folder` */
export async function synthesize(configuration: unknown, folder: string): Promise<string> {
  const configurationFile = join(folder, 'mirror.config.json');
  const templateFolder = join(folder, 'cdk.out');
  await writeFile(configurationFile, JSON.stringify(configuration, undefined, 2));
  const cdk = join(checkout, 'node_modules/.bin/cdk');
  const args = ['synth', '--quiet', '--context', `config=${configurationFile}`, '--output', templateFolder];
  // The app and its bundler run on the Node that runs us.
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`;
  await promisify(execFile)(cdk, args, { cwd: checkout, env: { ...process.env, PATH: path } });
  return templateFolder;
}
