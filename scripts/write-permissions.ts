/** Writes `docs/permissions.md` from the template of the configuration with everything switched on. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { loadConfiguration } from '../core/config/load.ts';
import { permissionsDocument } from '../infra/permissions-document.ts';
import { synthesizeTemplate } from '../infra/synthesize-template.ts';

const configuration = await loadConfiguration(fileURLToPath(new URL('../infra/full.config.jsonc', import.meta.url)));
const template = synthesizeTemplate(configuration).toJSON();
await writeFile(new URL('../docs/permissions.md', import.meta.url), permissionsDocument(template));
