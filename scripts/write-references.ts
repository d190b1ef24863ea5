/** Writes the pages of `docs/` that schemas and tables tell: `advise.md`, `configuration.md` and `json.md`. */
import { writeFile } from 'node:fs/promises';
import { jsonReference } from '../cli/json-reference.ts';
import { configurationReference } from '../core/config/reference.ts';
import { adviseDocument } from '../core/host/advise/advise-document.ts';

const docs = new URL('../docs/', import.meta.url);
await writeFile(new URL('advise.md', docs), adviseDocument());
await writeFile(new URL('configuration.md', docs), configurationReference());
await writeFile(new URL('json.md', docs), jsonReference());
