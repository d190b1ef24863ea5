/** Writes `docs/configuration.md` from the schema of the configuration. */
import { writeFile } from 'node:fs/promises';
import { configurationReference } from '../core/config/reference.ts';

await writeFile(new URL('../docs/configuration.md', import.meta.url), configurationReference());
