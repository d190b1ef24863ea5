/** Holds what commands print with `--json` to the schemas that `docs/json.md` is made of. */
import { errorLine, type JsonLine } from '../../cli/json-lines.ts';
import { jsonOutput } from '../../cli/json-output.ts';

/** Throws if a command printed a line that is not described. A line that a killed command did not end is passed over. */
export function requireDescribedJson(args: readonly string[], stdout: string): void {
  const lines = linesOf(args);
  if (lines === undefined) return;
  for (const line of stdout.split('\n').slice(0, -1)) requireDescribed(line, lines);
}

/** Throws unless the line is one of those. */
export function requireDescribed(line: string, lines: readonly JsonLine[]): void {
  const value: unknown = JSON.parse(line);
  const results = lines.map((each) => each.safeParse(value));
  if (results.some(({ success }) => success)) return;
  const ofItsType = results.filter(({ error }) => error?.issues.every(({ path }) => path[0] !== 'type'));
  const problems = ofItsType.map(({ error }) => error?.issues.map(({ path, message }) => [path.join('.'), message]));
  throw new Error(`the schemas of the command do not describe ${line}: ${JSON.stringify(problems)}`);
}

/** The lines of the command that is called so; `undefined` where its output is not lines, or not JSON. */
function linesOf(args: readonly string[]): readonly JsonLine[] | undefined {
  if (!args.includes('--json')) return undefined;
  const [name = '', second = ''] = args;
  const lines = jsonOutput[`${name} ${second}`] ?? jsonOutput[name];
  return lines === undefined ? undefined : [...lines, errorLine];
}
