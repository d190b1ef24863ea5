/** Decides the way from a found server to a wanted one. Pure; the facts are in the tables beside this file. */

import type { Backend, FoundServer, WantedServer } from '../../orthanc-disk/found-server.ts';
import { formatVersion, isBefore, type SoftwareVersion, version } from '../../orthanc-disk/orthanc-version.ts';
import {
  firstRobustAgainstColumns,
  hangingUpgrade,
  type SchemaVersion,
  schemaRowOf,
  schemaUse,
  sqliteAdditions,
} from '../../orthanc-disk/schema-matrix.ts';
import type { Advice, DatabaseAdvice } from './advice.ts';
import { behaviourChangesBetween, vulnerabilitiesOf } from './behaviour-changes.ts';
import {
  childCountHours,
  mysqlNote,
  newestPostgresqlRevision,
  postgresqlRevisionOf,
  scriptsDown,
  stepsUp,
} from './plugin-revisions.ts';
import { type ReplicationSource, replicationSteps } from './replication-steps.ts';
import { estimateReread, estimateSteps } from './upgrade-estimate.ts';

/** The newest release that the tables know; what is wanted when the user names no version. */
export const newestKnown = version('1.13.0');

/** Tells how to get from what was found to what is wanted, and everything to know on the way. */
export function advise(found: FoundServer, wanted: WantedServer, source: ReplicationSource): Advice {
  const database = adviseDatabase(found, wanted, source);
  const present = found.orthanc;
  const changes = present === undefined ? [] : behaviourChangesBetween(present, wanted.orthanc);
  const vulnerable = present === undefined ? [] : vulnerabilitiesOf(present);
  return {
    ...database,
    behaviourChanges: changes,
    vulnerabilities: vulnerable,
    remainingVulnerabilities: vulnerabilitiesOf(wanted.orthanc),
    actionNeeded: database.way !== 'nothing' || changes.length > 0 || vulnerable.length > 0,
  };
}

function adviseDatabase(found: FoundServer, wanted: WantedServer, source: ReplicationSource): DatabaseAdvice {
  const replicate = (because: string, ...remarks: string[]): DatabaseAdvice => ({
    way: 'replicate',
    because,
    steps: replicationSteps(source, `Orthanc ${formatVersion(wanted.orthanc)}`),
    remarks,
    estimate: undefined,
  });
  if (wanted.backend !== undefined && wanted.backend !== found.backend) {
    return replicate(switchReason(found.backend, wanted.backend), ...adoptionRemark(found.backend, wanted.backend));
  }
  const { schema } = found;
  if (schema === undefined) return replicate('the version of the database could not be found out');
  const row = schemaRowOf(wanted.orthanc);
  const use = schemaUse(schema, row);
  if (use === 'unusable') return replicate(unusableReason(schema, wanted.orthanc));
  if (use === 'upgraded') return adviseUpgrade(found, wanted, row.asksForUpgrade);
  return found.backend === 'sqlite' ? adviseSqlite(found, wanted, replicate) : advisePlugin(found, wanted, replicate);
}

function switchReason(from: Backend, to: Backend): string {
  return `no program converts a ${from} index to ${to}`;
}

/** The one switch that can keep the files where they are. */
function adoptionRemark(from: Backend, to: Backend): readonly string[] {
  if (from !== 'sqlite' || to !== 'postgresql') return [];
  return [
    'the advanced-storage plugin can adopt the present files into a new PostgreSQL index (Indexer, TakeOwnership), ' +
      'but loses metadata, labels and user attachments, and needs uncompressed files',
  ];
}

function unusableReason(schema: SchemaVersion, wanted: SoftwareVersion): string {
  if (schema === 'unversioned') {
    return 'the database is of Orthanc 0.3.0 or older: no other release can use it, and some may corrupt it';
  }
  const native = schemaRowOf(wanted).native;
  const newer = typeof native === 'number' && schema > native;
  return newer
    ? `the database (version ${schema}) is newer than Orthanc ${formatVersion(wanted)} can read (version ${native})`
    : `Orthanc ${formatVersion(wanted)} cannot upgrade version ${schema} of the database`;
}

/** Schema versions 3, 4 and 5 to the program's own. */
function adviseUpgrade(found: FoundServer, wanted: WantedServer, asksForUpgrade: boolean): DatabaseAdvice {
  const { native } = schemaRowOf(wanted.orthanc);
  const rereads = native === 6;
  const program = `Orthanc ${formatVersion(wanted.orthanc)}`;
  const upgrader = upgraderOf(wanted.orthanc);
  return {
    way: 'upgrade',
    because: `the database is of version ${found.schema}; ${program} uses version ${native} and can upgrade it`,
    steps: [
      'stop Orthanc and make a backup:',
      '  npx orthanc-mirror backup --config /etc/orthanc --archive /backup/archive --passphrase-file FILE',
      ...(asksForUpgrade
        ? [
            `run Orthanc ${formatVersion(upgrader)} once with --upgrade; it upgrades and then exits:`,
            '  Orthanc --upgrade /etc/orthanc',
            `start ${program} as usual, then compare storage and index:`,
          ]
        : [`start ${program}: it upgrades silently, then compare storage and index:`]),
      '  npx orthanc-mirror audit --config /etc/orthanc',
    ],
    remarks: [
      ...(rereads
        ? [
            'the step from version 5 to 6 reads every DICOM file again, in one transaction: the server is away meanwhile',
          ]
        : []),
      'a missing or unreadable file, a full disk or an index without files ("StoreDicom": false) stops it: audit first',
      'there is no way back but the backup',
      ...(upgrader === wanted.orthanc
        ? []
        : [`--upgrade of ${program} itself never ends: it waits for a lock that it holds; seen on 1.10.1 and 1.12.7`]),
      ...(found.storesDicom === false ? ['this server does not store DICOM files: the upgrade may be impossible'] : []),
    ],
    estimate: rereads ? estimateReread(found.instances, found.storedBytes) : undefined,
  };
}

/** The release that can do the upgrade for a wanted one: itself, or the nearest whose `--upgrade` ends. */
function upgraderOf(wanted: SoftwareVersion): SoftwareVersion {
  const { first, fixed, lastBefore } = hangingUpgrade;
  if (isBefore(wanted, first) || !isBefore(wanted, fixed)) return wanted;
  // A release before 1.11.3 could not write to what the newer one leaves behind.
  return isBefore(wanted, firstRobustAgainstColumns) ? lastBefore : fixed;
}

type Replicate = (because: string, ...remarks: string[]) => DatabaseAdvice;

/** Version 6 on SQLite: the unnumbered additions decide. */
function adviseSqlite(found: FoundServer, wanted: WantedServer, replicate: Replicate): DatabaseAdvice {
  const has = found.sqliteAdditions ?? additionsOf(found.orthanc);
  if (has.includes('revisions-and-custom-data') && isBefore(wanted.orthanc, firstRobustAgainstColumns)) {
    return replicate(
      `Orthanc 1.12.8 or later has added columns that Orthanc ${formatVersion(wanted.orthanc)} cannot write to: ` +
        'it would start and then fail to store',
    );
  }
  const coming = sqliteAdditions.filter(({ name, since }) => !has.includes(name) && !isBefore(wanted.orthanc, since));
  const leftover = has.includes('revisions-and-custom-data') && isBefore(wanted.orthanc, version('1.12.8'));
  return nothingToDo(`Orthanc ${formatVersion(wanted.orthanc)} uses version 6 of the database as it is`, [
    ...coming.map(({ what, since }) => `its first start adds what came with ${formatVersion(since)}: ${what}`),
    ...(leftover ? ['table DeletedFiles will grow with each deletion, which does no harm'] : []),
  ]);
}

function additionsOf(orthanc: SoftwareVersion | undefined): readonly string[] {
  if (orthanc === undefined) return [];
  return sqliteAdditions.flatMap(({ name, since }) => (isBefore(orthanc, since) ? [] : [name]));
}

/** Version 6 kept by an index plugin: its revision decides. */
function advisePlugin(found: FoundServer, wanted: WantedServer, replicate: Replicate): DatabaseAdvice {
  if (found.backend === 'mysql') return nothingToDo('version 6 of the database stays', [mysqlNote]);
  if (found.backend !== 'postgresql') {
    return nothingToDo('version 6 of the database stays', [
      'look up in the manual of the index plugin which releases fit',
    ]);
  }
  const newest = newestPostgresqlRevision(wanted.orthanc);
  const target = wanted.plugin === undefined ? newest : postgresqlRevisionOf(wanted.plugin);
  const { revision } = found;
  const name = `release ${wanted.plugin === undefined ? target.releases : formatVersion(wanted.plugin)} of the PostgreSQL plugin`;
  if (target.minimumOrthanc !== undefined && isBefore(wanted.orthanc, target.minimumOrthanc)) {
    return replicate(`${name} needs Orthanc ${formatVersion(target.minimumOrthanc)} or later`);
  }
  if (revision === undefined) {
    return nothingToDo(`${name} brings any older revision to ${target.revision} by itself when it starts`, [
      'the revision that is there is unknown: give --index postgres://… to read it',
    ]);
  }
  if (revision === target.revision) return nothingToDo(`${name} uses revision ${revision} as it is`, []);
  if (revision < target.revision) return advisePluginUpgrade(found, revision, target.revision, name);
  return advisePluginDowngrade(revision, target.revision, name, replicate);
}

function advisePluginUpgrade(found: FoundServer, from: number, to: number, name: string): DatabaseAdvice {
  return {
    way: 'plugin-upgrade',
    because: `${name} brings revision ${from} to ${to} by itself when it starts`,
    steps: [
      'stop every Orthanc on this database (there is no rolling update) and make a backup:',
      '  npx orthanc-mirror backup --config /etc/orthanc --archive /backup/archive --passphrase-file FILE',
      `install ${name}, start one Orthanc that is not read-only, then the others`,
    ],
    remarks: [
      `a plugin of an older release refuses to start afterwards; the way back is by SQL scripts`,
      'a read-only Orthanc needs exactly its own revision',
      ...(to >= 10
        ? [`on a very large database children are counted in the background, up to ${childCountHours} h`]
        : []),
    ],
    estimate: estimateSteps(found.instances, stepsUp(from, to)),
  };
}

function advisePluginDowngrade(from: number, to: number, name: string, replicate: Replicate): DatabaseAdvice {
  const scripts = scriptsDown(from, to);
  if (scripts === undefined) {
    return replicate(`${name} refuses revision ${from}, and no script leads below revision 1`);
  }
  return {
    way: 'downgrade-scripts',
    because: `${name} refuses revision ${from}; it needs revision ${to}`,
    steps: [
      'stop every Orthanc on this database and make a backup:',
      '  npx orthanc-mirror backup --config /etc/orthanc --archive /backup/archive --passphrase-file FILE',
      'run the scripts of orthanc-databases (PostgreSQL/Plugins/SQL/Downgrades), in this order:',
      ...scripts.map((script) => `  psql postgres://… -v ON_ERROR_STOP=1 -f ${script}`),
      `start Orthanc with ${name}`,
    ],
    remarks: ['what only the newer revision keeps (labels, key-value stores, queues, revisions) may be lost'],
    estimate: undefined,
  };
}

function nothingToDo(because: string, remarks: readonly string[]): DatabaseAdvice {
  return { way: 'nothing', because, steps: [], remarks, estimate: undefined };
}
