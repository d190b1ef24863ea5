/** What was found before: which test passed with which defect. Counts until the file or the test changes. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type Mutant, sha256 } from './mutants.ts';

const file = '.cache/mutation/seen.jsonl';
const line = z.object({ key: z.string(), passed: z.boolean() });

export class Seen {
  readonly #passed = new Map<string, boolean>();

  constructor() {
    mkdirSync(dirname(file), { recursive: true });
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    for (const { key, passed } of lines.map((text) => line.parse(JSON.parse(text)))) this.#passed.set(key, passed);
  }

  passed(mutant: Mutant, test: string): boolean | undefined {
    return this.#passed.get(keyOf(mutant, test));
  }

  note(mutant: Mutant, test: string, passed: boolean): void {
    const key = keyOf(mutant, test);
    this.#passed.set(key, passed);
    appendFileSync(file, `${JSON.stringify({ key, passed })}\n`);
  }
}

function keyOf({ text }: Mutant, test: string): string {
  return sha256([text, test, readFileSync(test, 'utf8')].join('\0'));
}
