/** The work of `config check` and `config explain`. */
import type { z } from 'zod';
import { requireFitForCloud } from '../../core/config/cloud-rules.ts';
import { loadConfiguration } from '../../core/config/load.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { configOptionValues } from './options.ts';

/** Throws `configuration` with every problem; says so if there is none. */
export async function checkConfiguration(
  file: string,
  { cloud = false }: z.output<typeof configOptionValues>,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const configuration = await loadConfiguration(file);
  if (cloud) requireFitForCloud(configuration);
  const mirrors = Object.keys(configuration.mirrors);
  const text = `${file} is valid${cloud ? ', also for the cloud' : ''}: ${mirrors.join(', ')}`;
  terminal.tell({ type: 'configuration', valid: true, mirrors }, text);
  return exitCodes.ok;
}

/** One line per field with the value that holds, defaults included; no secret can be among them. */
export async function explainConfiguration(
  file: string,
  { json = false }: z.output<typeof configOptionValues>,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const configuration = await loadConfiguration(file);
  if (json) terminal.printJson(configuration);
  else for (const line of linesOf('', configuration)) terminal.print(line);
  return exitCodes.ok;
}

function linesOf(path: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) {
    return [`${path} = ${JSON.stringify(value)}`];
  }
  return Object.entries(value).flatMap(([name, field]) => linesOf(path === '' ? name : `${path}.${name}`, field));
}
