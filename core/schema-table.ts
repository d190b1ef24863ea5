/** Tables of the fields of a schema, so that a page of documentation and the program cannot differ. */
import * as z from 'zod';

/** As much of a JSON schema as zod writes for ours. */
interface FieldSchema {
  readonly description?: string | undefined;
  readonly type?: string | undefined;
  readonly const?: unknown;
  readonly default?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly required?: readonly string[] | undefined;
  readonly additionalProperties?: FieldSchema | boolean | undefined;
  readonly items?: FieldSchema | undefined;
  readonly anyOf?: readonly FieldSchema[] | undefined;
  readonly $ref?: string | undefined;
  readonly $defs?: Readonly<Record<string, FieldSchema>> | undefined;
}

const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({
    description: z.string().optional(),
    type: z.string().optional(),
    const: z.unknown().optional(),
    default: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    required: z.array(z.string()).optional(),
    additionalProperties: z.union([fieldSchema, z.boolean()]).optional(),
    items: fieldSchema.optional(),
    anyOf: z.array(fieldSchema).optional(),
    $ref: z.string().optional(),
    $defs: z.record(z.string(), fieldSchema).optional(),
  }),
);

/** A field of an object. */
export interface FieldRow {
  /** `destinations[].name`, `targets.<name>.url`. */
  readonly path: string;
  /** What its value may be. */
  readonly kind: string;
  readonly presence: 'required' | 'in this form' | 'optional';
  /** The default, as JSON; empty where there is none that fits a cell. */
  readonly fallback: string;
  readonly description: string;
}

export interface SchemaTables {
  readonly rows: readonly FieldRow[];
  /** Of the parts that have names of their own, and are referred to by them. */
  readonly parts: readonly {
    readonly name: string;
    readonly description: string;
    readonly rows: readonly FieldRow[];
  }[];
}

/** @param schema a JSON schema, as zod writes it */
export function schemaTables(schema: unknown): SchemaTables {
  const root = fieldSchema.parse(schema);
  const parts = Object.entries(root.$defs ?? {}).map(([name, part]) => ({
    name,
    description: part.description ?? '',
    rows: rowsOf('', part),
  }));
  return { rows: rowsOf('', root), parts };
}

/** @returns a table in Markdown */
export function markdownTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

/** One row per field below `path`, parents before children, in the order of the schema. */
function rowsOf(path: string, schema: FieldSchema): FieldRow[] {
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const fieldPath = path === '' ? name : `${path}.${name}`;
    return [rowOf(fieldPath, field, schema.required?.includes(name) ?? false), ...rowsOf(fieldPath, field)];
  });
  const { additionalProperties: named, items } = schema;
  const variants = (schema.anyOf ?? []).flatMap((variant) => rowsOf(path, variant)).map(requiredInVariant);
  return [
    ...fields,
    ...(typeof named === 'object' ? rowsOf(`${path}.<name>`, named) : []),
    ...(items === undefined ? [] : rowsOf(`${path}[]`, items)),
    ...uniqueByPath(variants),
  ];
}

function requiredInVariant(row: FieldRow): FieldRow {
  return row.presence === 'required' ? { ...row, presence: 'in this form' } : row;
}

/** Variants of a union share fields; each is told once. */
function uniqueByPath(rows: readonly FieldRow[]): FieldRow[] {
  return [...new Map(rows.toReversed().map((row) => [row.path, row])).values()].toReversed();
}

function rowOf(path: string, field: FieldSchema, required: boolean): FieldRow {
  const hasFallback = field.default !== undefined && typeof field.default !== 'object';
  return {
    path,
    kind: kindOf(field),
    presence: required ? 'required' : 'optional',
    fallback: hasFallback ? JSON.stringify(field.default) : '',
    description: descriptionOf(field),
  };
}

/** Its own, or else that of what it may hold. */
function descriptionOf({ description, items, anyOf = [] }: FieldSchema): string {
  return (
    description ?? items?.description ?? anyOf.find((variant) => variant.description !== undefined)?.description ?? ''
  );
}

function kindOf({ type, const: only, enum: values, anyOf, items, minimum, maximum, $ref }: FieldSchema): string {
  if ($ref !== undefined) {
    const name = $ref.replace('#/$defs/', '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (only !== undefined) return JSON.stringify(only);
  if (values !== undefined) return values.map((value) => JSON.stringify(value)).join(', ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(kindOf))].join(' or ');
  if (items !== undefined) return `list of ${kindOf(items)}`;
  return minimum === undefined || maximum === undefined ? (type ?? '') : `${type}, ${minimum} to ${maximum}`;
}
