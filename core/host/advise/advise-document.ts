/** Writes the tables of advice as a page of documentation; `docs/advise.md` is its output, and a test compares them. */

import { formatVersion } from '../../orthanc-disk/orthanc-version.ts';
import {
  hangingUpgrade,
  matrixDate,
  type SchemaUse,
  type SchemaVersion,
  schemaMatrix,
  schemaUse,
  schemaVersions,
  sqliteAdditions,
} from '../../orthanc-disk/schema-matrix.ts';
import { behaviourChanges, vulnerabilities } from './behaviour-changes.ts';
import { childCountHours, measuredInstances, postgresqlRevisions } from './plugin-revisions.ts';

const signs: Readonly<Record<SchemaUse, string>> = { native: 'native', upgraded: 'upgrade', unusable: '–' };

/** The whole page, Markdown. */
export function adviseDocument(): string {
  return `${[introduction(), matrix(), additions(), revisions(), changes(), flaws(), replication()].join('\n\n')}\n`;
}

function introduction(): string {
  return `# Versions of Orthanc's database, and how to get from one to another

\`orthanc-mirror advise\` decides with these tables; this page is generated from them (\`core/host/advise/\`). The sources were
read on ${matrixDate}: Orthanc Book (developers/db-versioning, plugins/postgresql, plugins/mysql, plugins/odbc), NEWS of
Orthanc and of orthanc-databases, and indexes made by real servers of 1.9.1, 1.10.1, 1.12.7 and 1.13.0.

    npx orthanc-mirror advise http://server:8042 [--to VERSION]
    npx orthanc-mirror advise --index /var/lib/orthanc/db-v6/index|postgres://… [--to VERSION]
    npx orthanc-mirror advise --config /etc/orthanc [--to VERSION] [--to-plugin VERSION] [--to-backend BACKEND]

Exit code 0: nothing to do. Exit code 4: there is something to do, and the output says what.`;
}

function matrix(): string {
  const rows = schemaMatrix.map((row) => [row.name, ...schemaVersions.map((schema) => signs[schemaUse(schema, row)])]);
  return `## Schema versions

${table(['Orthanc', ...schemaVersions.map(schemaName)], rows)}

- *native*: used as it is. *upgrade*: the program converts it; from 0.9.5 on only when started once with \`--upgrade\`,
  before silently. *–*: copy everything to a new server (\`orthanc-mirror run\`, or \`import\` of the storage folder).
- \`Orthanc --upgrade\` exits when it is done. The steps 3 to 4 and 4 to 5 are SQL only; the step 5 to 6 reads every DICOM
  file again in one transaction, so it takes long and stops at a missing or unreadable file.
- \`Orthanc --upgrade\` of a SQLite index never ends with 1.10.1 and 1.12.7 (tried; by the source also with the releases
  between ${formatVersion(hangingUpgrade.first)} and ${formatVersion(hangingUpgrade.fixed)}): it waits for a lock that it holds itself. Upgrade with ${formatVersion(hangingUpgrade.lastBefore)} or ${formatVersion(hangingUpgrade.fixed)} (tried),
  then start the release that you want.
- A database that is newer than the program is refused.
- Orthanc 0.3.0 and older wrote no version; other releases may corrupt such a database.`;
}

function schemaName(schema: SchemaVersion): string {
  return schema === 'unversioned' ? 'none (0.3.0 and older)' : `version ${schema}`;
}

function additions(): string {
  return `## Inside version 6, SQLite

These are added silently when a release that has them starts; there is no number for them.

${table(
  ['since', 'what'],
  sqliteAdditions.map(({ since, what }) => [formatVersion(since), what]),
)}

Orthanc 1.11.3 and later start on and write to an index with later additions. Earlier releases do not once 1.12.8 or
later has added columns: 1.10.1 starts on an index of 1.13.0, and every POST then ends with the status \`Failure\`
(tried). An index of 1.12.7 works with 1.10.1 (tried).`;
}

function revisions(): string {
  const rows = postgresqlRevisions.map((row) => [
    row.revision === 0 ? 'none' : String(row.revision),
    row.releases,
    row.minimumOrthanc === undefined ? 'any' : formatVersion(row.minimumOrthanc),
    row.stepMinutes === undefined ? '' : `${row.stepMinutes} min`,
    row.downgradeScript === undefined ? '' : `\`${row.downgradeScript}\``,
  ]);
  return `## PostgreSQL plugin: revisions (property 4 of GlobalProperties)

${table(['revision', 'plugin', 'Orthanc at least', 'step up', 'script down'], rows)}

- The plugin upgrades from any revision by itself; an older plugin refuses to start on a newer revision. Stop every
  Orthanc on the database first; a read-only Orthanc needs exactly its own revision.
- "Step up" was measured on ${measuredInstances / 1_000_000} million instances; after revision 10, children are counted in the
  background for about ${childCountHours} hours there.
- MySQL plugin: revisions 1 to 8 up to release 5.2, 9 later; upgraded by itself, no way down. ODBC plugin: a schema of its
  own; switching to or from it is a replication.`;
}

function changes(): string {
  return `## What changes although the database stays

${table(
  ['since', 'what', 'to do'],
  behaviourChanges.map(({ since, what, action }) => [formatVersion(since), what, action]),
)}`;
}

function flaws(): string {
  return `## Known vulnerabilities

${table(
  ['fixed in', 'name', 'what'],
  vulnerabilities.map(({ fixedIn, names, what }) => [formatVersion(fixedIn), names, what]),
)}`;
}

function replication(): string {
  return `## When replication is the only way

- the database is of version 2 or of 0.3.0 and older;
- from one back-end to another (SQLite, PostgreSQL, MySQL, ODBC). The advanced-storage plugin can adopt the files of a
  SQLite server into a PostgreSQL index, but loses metadata, labels and user attachments;
- to an older release than the database allows, or below what the scripts of the PostgreSQL plugin reach;
- encryption of an object storage switched on or off, its layout changed between flat and legacy, or objects that were
  encrypted before release 2.0.0 of the object-storage plugin;
- a damaged index.

\`docs/migration.md\` tells how it is done.`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, header.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
