/** Writes the reference of what `--json` prints from the schemas of the commands, so that the two cannot differ. */
import * as z from 'zod';
import { markdownTable, schemaTables } from '../core/schema-table.ts';
import { importedFileSchema } from './import/output.ts';
import { errorLine, type JsonLine } from './json-lines.ts';
import { jsonOutput } from './json-output.ts';
import { reportLines } from './report/output.ts';

const introduction = `# What \`--json\` prints

Each result is a line of JSON on stdout, and nothing else is there; messages and progress are on stderr. \`type\` tells the
lines of a command apart. A line is told as soon as its fact is known; a \`summary\` is the last one.

- Lines and fields are only ever added: let programs pass over those that they do not know.
- *or absent*: the line says nothing of it. *or null*: it says that there is none, or that it is not known.
- Times are in UTC (ISO 8601), sizes in bytes. Ids are those of Orthanc.
- Ids and hashes only, no patient data; except what \`ls\` and \`find\` are asked for, and the paths that \`import\` was given.

\`config explain --json\` prints the configuration with every default filled in ([configuration.md](configuration.md)),
\`config schema\` its JSON schema.

This page is generated from the schemas in \`cli/*/output.ts\` by \`node scripts/write-references.ts\`; tests hold what
the commands print to the same schemas.
`;

/** @returns the text of `docs/json.md`. */
export function jsonReference(): string {
  const told = new Map<JsonLine, string>();
  const sections = Object.entries(jsonOutput).map(([command, lines]) => {
    const texts = lines.map((line) => {
      const before = told.get(line);
      if (before === undefined) told.set(line, command);
      return before === undefined ? lineText(line) : `**${typeOf(line)}**: as that of \`${before}\`.\n`;
    });
    return `## ${command}\n\n${texts.join('\n')}`;
  });
  return [
    introduction,
    `## An error that ends a command\n\nAny command, beside the text on stderr.\n\n${lineText(errorLine)}`,
    ...sections,
    `## A report\n\nWhat \`--report FILE\` writes where its name ends neither in \`.csv\` nor in \`.html\`: the lines of the command, between these.\n\n${[...reportLines, importedFileSchema].map(lineText).join('\n')}`,
  ].join('\n');
}

function lineText(line: JsonLine): string {
  const { rows } = schemaTables(z.toJSONSchema(line));
  const cells = rows
    .filter(({ path }) => path !== 'type')
    .map(({ path, kind, presence, description }) => [
      `\`${path}\``,
      `${kind.replace(`, 0 to ${Number.MAX_SAFE_INTEGER}`, '').replace(/^integer, -\d+ to \d+/, 'integer')}${presence === 'optional' ? ', or absent' : ''}`,
      description,
    ]);
  return `**${typeOf(line)}**: ${line.description ?? ''}\n\n${markdownTable(['field', 'value', 'meaning'], cells)}`;
}

function typeOf(line: JsonLine): string {
  return line.shape.type.value;
}
