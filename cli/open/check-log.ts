import { MirrorError } from '../../core/errors.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { checkAccessLog } from './access-log.ts';

/** The work of `open-log`. Throws `configuration` if the file cannot be read. */
export async function checkLog(file: string, { terminal }: CommandContext): Promise<ExitCode> {
  const { lines, wrongLine } = await checkAccessLog(file).catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the log ${file}`, { cause });
  });
  const text =
    wrongLine === undefined
      ? `${lines} lines, each as it was written`
      : `line ${wrongLine} was changed, or lines before it were taken out`;
  terminal.tell({ type: 'log', file, lines, wrongLine: wrongLine ?? null }, text);
  return wrongLine === undefined ? exitCodes.ok : exitCodes.different;
}
