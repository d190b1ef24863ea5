/** The defects that `npm run mutate` makes: where each is, and how the file reads with it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { Instrumenter } from '@stryker-mutator/instrumenter';

export interface Mutant {
  readonly file: string;
  /** From 1, as editors and compilers count. */
  readonly line: number;
  readonly column: number;
  /** What kind of change it is, in the words of Stryker: https://stryker-mutator.io/docs/mutation-testing-elements/supported-mutators/ */
  readonly kind: string;
  readonly original: string;
  readonly replacement: string;
  /** The whole file with the defect in it. */
  readonly text: string;
  /** The same for the same defect at the same place, whatever the rest of the program is. */
  readonly id: string;
}

/** All mutants of the files that can run at all; texts are left out, because few tests should hold wording. */
export async function mutantsOf(files: readonly string[]): Promise<readonly Mutant[]> {
  const silent = () => undefined;
  const off = () => false;
  const instrumenter = new Instrumenter({
    trace: silent,
    debug: silent,
    info: silent,
    warn: silent,
    error: silent,
    fatal: silent,
    isTraceEnabled: off,
    isDebugEnabled: off,
    isInfoEnabled: off,
    isWarnEnabled: off,
    isErrorEnabled: off,
    isFatalEnabled: off,
  });
  const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
  const { mutants } = await instrumenter.instrument(
    [...texts].map(([name, content]) => ({ name, content, mutate: true })),
    { plugins: null, excludedMutations: ['StringLiteral'], ignorers: [] },
  );
  return mutants
    .filter(({ status }) => status !== 'Ignored')
    .map(({ fileName: file, location: { start, end }, mutatorName: kind, replacement }) => {
      const before = texts.get(file) ?? '';
      const [from, to] = [offsetOf(before, start), offsetOf(before, end)];
      const original = before.slice(from, to);
      // In parentheses, because `a || b` in the place of `a && b` may stand in a longer expression.
      const after =
        (/^[{]|^(?:case|default)\b/.test(original) && kind !== 'ObjectLiteral') || replacement === ';'
          ? replacement
          : `(${replacement})`;
      const [line, column] = [start.line + 1, start.column + 1];
      const id = sha256(`${file}:${line}:${column}-${end.line + 1}:${end.column + 1} ${kind} ${replacement}`);
      return {
        file,
        line,
        column,
        kind,
        original,
        replacement,
        text: before.slice(0, from) + after + before.slice(to),
        id,
      };
    })
    .filter(({ text }) => isProgram(text));
}

/** `count` of them, each as likely as any other; the same ones for the same seed. */
export function sampled(mutants: readonly Mutant[], count: number, seed: number): readonly Mutant[] {
  const drawn = mutants.map((mutant) => ({ mutant, lot: sha256(`${seed} ${mutant.id}`) }));
  drawn.sort((a, b) => (a.lot < b.lot ? -1 : 1));
  return drawn.slice(0, count).map(({ mutant }) => mutant);
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A position of the instrumenter, both numbers from 0, as an offset into the text. */
function offsetOf(text: string, { line, column }: { readonly line: number; readonly column: number }): number {
  let offset = 0;
  for (let passed = 0; passed < line; passed++) offset = text.indexOf('\n', offset) + 1;
  return offset + column;
}

function isProgram(text: string): boolean {
  try {
    stripTypeScriptTypes(text);
    return true;
  } catch {
    return false;
  }
}
