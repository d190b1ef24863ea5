import { MirrorError } from '../../core/errors.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { checkAccessLog } from './access-log.ts';

/** The work of `open-log`. Throws `configuration` if the file cannot be read. */
export async function checkLog(file: string, { terminal }: CommandContext): Promise<ExitCode> {
  const { lines, wrongLine, hash, withoutEnd } = await checkAccessLog(file).catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the log ${file}`, { cause });
  });
  const text =
    wrongLine === undefined
      ? `${lines} lines, each as it was written; the last has hash ${hash}`
      : `line ${wrongLine} was changed, or lines before it were taken out`;
  const cut = `\n${withoutEnd} times the program ended without its last line: it was killed, or lines were taken away`;
  const record = { type: 'log', file, lines, wrongLine: wrongLine ?? null, hash, withoutEnd } as const;
  terminal.tell(record, withoutEnd > 0 ? text + cut : text);
  return wrongLine === undefined ? exitCodes.ok : exitCodes.different;
}
