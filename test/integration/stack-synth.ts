/** Synthesizes a stack for a test with a configuration of its own, as `cdk synth -c config=FILE` does. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { functionNames } from '../../core/cloud/metrics/metrics.ts';
import { bundleFunction } from '../../infra/function-code.ts';

/**
 * Runs the app itself, with the context of `cdk.json`; `test/infra` does it by `cdk synth`.
 * @returns the folder with the synthesized stack and its bundled functions, below `folder`
 */
export async function synthesizeStack(configuration: unknown, folder: string): Promise<string> {
  const configurationFile = join(folder, 'mirror.config.json');
  const templateFolder = join(folder, 'cdk.out');
  await writeFile(configurationFile, JSON.stringify(configuration));
  const { context } = cdkSchema.parse(JSON.parse(await readFile('cdk.json', 'utf8')));
  await promisify(execFile)(process.execPath, ['infra/app.ts'], {
    env: {
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
      HOME: folder,
      TMPDIR: tmpdir(),
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      CDK_OUTDIR: templateFolder,
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, config: configurationFile, bundles: await bundles() }),
    },
  });
  return templateFolder;
}

const cdkSchema = z.object({ context: z.record(z.string(), z.unknown()) });

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
