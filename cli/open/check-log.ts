import { MirrorError } from '../../core/errors.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { checkAccessLog } from './access-log.ts';

/** The work of `open-log`. Throws `configuration` if the file cannot be read. */
export async function checkLog(file: string, { terminal }: CommandContext, json: boolean): Promise<ExitCode> {
  const { lines, wrongLine, hash, withoutEnd } = await checkAccessLog(file).catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the log ${file}`, { cause });
  });
  if (json) terminal.printJson({ type: 'log', file, lines, wrongLine: wrongLine ?? null, hash, withoutEnd });
  else if (wrongLine === undefined) terminal.print(`${lines} lines, each as it was written; the last has hash ${hash}`);
  else terminal.print(`line ${wrongLine} was changed, or lines before it were taken out`);
  if (!json && withoutEnd > 0) {
    terminal.print(
      `${withoutEnd} times the program ended without its last line: it was killed, or lines were taken away`,
    );
  }
  return wrongLine === undefined ? exitCodes.ok : exitCodes.different;
}
