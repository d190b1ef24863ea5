import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageFile = z.object({ version: z.string(), description: z.string() });

/** What the package says of this program. */
export function packageFacts(): z.output<typeof packageFile> {
  return packageFile.parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')));
}
