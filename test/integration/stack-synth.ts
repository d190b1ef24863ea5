/** Synthesizes a stack for a test with a configuration of its own, as `cdk synth -c config=FILE` does. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { functionNames } from '../../core/cloud/metrics/metrics.ts';
import { bundleFunction } from '../../infra/function-code.ts';

/** @returns the folder with the synthesized stack and its bundled functions, below `folder` */
export async function synthesizeStack(configuration: unknown, folder: string): Promise<string> {
  const configurationFile = join(folder, 'mirror.config.json');
  const templateFolder = join(folder, 'cdk.out');
  await writeFile(configurationFile, JSON.stringify(configuration));
  await promisify(execFile)(
    'node_modules/.bin/cdk',
    [
      'synth',
      '--quiet',
      ...contextOf({ config: configurationFile, bundles: await bundles() }),
      '--output',
      templateFolder,
    ],
    { env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: folder, TMPDIR: tmpdir() } },
  );
  return templateFolder;
}

function contextOf(values: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => ['--context', `${name}=${value}`]);
}

/** The code of the functions, which is the same in every stack: bundled by whoever needs it first in a run. */
async function bundles(): Promise<string> {
  const folder = join(tmpdir(), 'bundled-functions');
  if (existsSync(folder)) return folder;
  const made = await mkdtemp(`${folder}-`);
  for (const name of functionNames) bundleFunction(name, join(made, name));
  // Another file may have been quicker.
  await rename(made, folder).catch(() => rm(made, { recursive: true }));
  return folder;
}
