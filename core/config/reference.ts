/** Writes the reference of the configuration from its schema, so that the two cannot differ. */
import * as z from 'zod';
import { type FieldRow, markdownTable, schemaTables } from '../schema-table.ts';
import { configurationSchema } from './schema.ts';

const introduction = `# Configuration

One JSON file (comments and trailing commas allowed) says what is mirrored. The cloud stack, its functions and the
command line read the same file by the same strict schema: a key that is not listed here is an error, and every error
names the field, what is wrong with it and what to do.

A secret never stands in the file. Wherever one is needed, the file says where it lies:
\`{"secretsManager": "name"}\`, \`{"file": "path"}\` or \`{"env": "NAME"}\`; functions in the cloud can use the first only.

\`infra/example.config.jsonc\` is a complete example. This page is generated from the schema: change the descriptions in
\`core/config/\` and run \`node scripts/write-references.ts\`.
`;

/** @returns the configuration as a JSON schema, for editors. */
export function configurationJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
}

/** @returns the text of `docs/configuration.md`. */
export function configurationReference(): string {
  const { rows, parts } = schemaTables(configurationJsonSchema());
  const sections = parts.toReversed().map((part) => `## ${part.name}\n\n${part.description}\n\n${tableOf(part.rows)}`);
  return [introduction, `## The file\n\n${tableOf(rows)}`, ...sections].join('\n');
}

function tableOf(rows: readonly FieldRow[]): string {
  const cells = rows.map(({ path, kind, presence, fallback, description }) => [
    `\`${path}\``,
    kind,
    presence === 'optional' ? code(fallback) : presences[presence],
    description,
  ]);
  return markdownTable(['field', 'value', 'default', 'meaning'], cells);
}

const presences = { required: 'required', 'in this form': 'required in this form' } as const;

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}
