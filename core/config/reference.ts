/** Writes the reference of the configuration from its schema, so that the two cannot differ. */
import { z } from 'zod';
import { configurationSchema } from './schema.ts';

/** As much of a JSON schema as zod writes for ours. */
interface FieldSchema {
  readonly description?: string | undefined;
  readonly type?: string | undefined;
  readonly default?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: FieldSchema | false | undefined;
  readonly anyOf?: readonly FieldSchema[] | undefined;
  readonly $ref?: string | undefined;
  readonly $defs?: Readonly<Record<string, FieldSchema>> | undefined;
}

const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({
    description: z.string().optional(),
    type: z.string().optional(),
    default: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([fieldSchema, z.literal(false)]).optional(),
    anyOf: z.array(fieldSchema).optional(),
    $ref: z.string().optional(),
    $defs: z.record(z.string(), fieldSchema).optional(),
  }),
);

interface Row {
  readonly path: string;
  readonly kind: string;
  readonly fallback: string;
  readonly description: string;
}

const introduction = `# Configuration

One JSON file (comments and trailing commas allowed) says what is mirrored. The cloud stack, its functions and the
command line read the same file by the same strict schema: a key that is not listed here is an error, and every error
names the field, what is wrong with it and what to do.

A secret never stands in the file. Wherever one is needed, the file says where it lies:
\`{"secretsManager": "name"}\`, \`{"file": "path"}\` or \`{"env": "NAME"}\`; functions in the cloud can use the first only.

\`infra/example.config.jsonc\` is a complete example. This page is generated from the schema: change the descriptions in
\`core/config/\` and run \`node scripts/write-configuration-reference.ts\`.
`;

const tableHead = '| field | value | default | meaning |\n| --- | --- | --- | --- |';

/** @returns the configuration as a JSON schema, for editors. */
export function configurationJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
}

/** @returns the text of `docs/configuration.md`. */
export function configurationReference(): string {
  const schema = fieldSchema.parse(configurationJsonSchema());
  const sections = Object.entries(schema.$defs ?? {})
    .toReversed()
    .map(([name, definition]) => `## ${name}\n\n${definition.description ?? ''}\n\n${tableOf(definition)}`);
  return `${[introduction, `## The file\n\n${tableOf(schema)}`, ...sections].join('\n')}`;
}

function tableOf(schema: FieldSchema): string {
  return `${[tableHead, ...rowsOf('', schema).map(formatRow)].join('\n')}\n`;
}

/** One row per field below `path`, parents before children, in the order of the schema. */
function rowsOf(path: string, schema: FieldSchema): Row[] {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const fieldPath = path === '' ? name : `${path}.${name}`;
    return [rowOf(fieldPath, field, schema.required?.includes(name) ?? false), ...rowsOf(fieldPath, field)];
  });
  const named = schema.additionalProperties ? rowsOf(`${path}.<name>`, schema.additionalProperties) : [];
  const variants = (schema.anyOf ?? []).flatMap((variant) => rowsOf(path, variant)).map(requiredInVariant);
  return [...fields, ...named, ...uniqueByPath(variants)];
}

function requiredInVariant(row: Row): Row {
  return row.fallback === 'required' ? { ...row, fallback: 'required in this form' } : row;
}

/** Variants of a union share fields; each is told once. */
function uniqueByPath(rows: readonly Row[]): Row[] {
  return [...new Map(rows.toReversed().map((row) => [row.path, row])).values()].toReversed();
}

function rowOf(path: string, field: FieldSchema, required: boolean): Row {
  const fallback =
    field.default === undefined || typeof field.default === 'object' ? '' : `\`${JSON.stringify(field.default)}\``;
  return {
    path,
    kind: kindOf(field),
    fallback: required ? 'required' : fallback,
    description: field.description ?? '',
  };
}

function kindOf({ type, enum: values, anyOf, minimum, maximum, $ref }: FieldSchema): string {
  if ($ref !== undefined) {
    const name = $ref.replace('#/$defs/', '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (values !== undefined) {
    return values.map((value) => JSON.stringify(value)).join(', ');
  }
  if (anyOf !== undefined) {
    return [...new Set(anyOf.map(kindOf))].join(' or ');
  }
  return minimum === undefined || maximum === undefined ? (type ?? '') : `${type}, ${minimum} to ${maximum}`;
}

function formatRow({ path, kind, fallback, description }: Row): string {
  return `| \`${path}\` | ${kind} | ${fallback} | ${description.replaceAll('|', '\\|')} |`;
}
