/**
 * Which Orthanc can use which version of the database schema: the table of the Orthanc Book, "Versioning of the
 * Orthanc database" (developers/db-versioning), as of {@link matrixDate}, and the changes inside version 6 that have no
 * number. `docs/advise.md` is generated from these tables.
 */
import { isBefore, type SoftwareVersion, version } from './orthanc-version.ts';

/** The day on which the sources of all tables of advice were last read. */
export const matrixDate = '2026-04-14';

/** Value of property 1 of GlobalProperties; Orthanc 0.3.0 and older wrote none. */
export type SchemaVersion = number | 'unversioned';

/**
 * - `native`: used as it is.
 * - `upgraded`: brought to the program's own version, at once when the program starts (before 0.9.5) or by `--upgrade`.
 * - `unusable`: the program refuses it, or (0.3.0 and older) may corrupt it.
 */
export type SchemaUse = 'native' | 'upgraded' | 'unusable';

/** A range of releases that treat databases alike. */
export interface SchemaRow {
  readonly first: SoftwareVersion;
  /** How the range is called in the book. */
  readonly name: string;
  readonly native: SchemaVersion;
  readonly upgradesFrom: readonly SchemaVersion[];
  /** Whether upgrading takes `Orthanc --upgrade`; before 0.9.5 it happened silently at the start. */
  readonly asksForUpgrade: boolean;
}

/** Newest first. */
export const schemaMatrix: readonly SchemaRow[] = [
  { first: version('0.9.5'), name: '0.9.5 and later', native: 6, upgradesFrom: [3, 4, 5], asksForUpgrade: true },
  { first: version('0.8.5'), name: '0.8.5 to 0.9.4', native: 5, upgradesFrom: [3, 4], asksForUpgrade: false },
  { first: version('0.7.3'), name: '0.7.3 to 0.8.4', native: 4, upgradesFrom: [3], asksForUpgrade: false },
  { first: version('0.4.0'), name: '0.4.0 to 0.7.2', native: 3, upgradesFrom: [], asksForUpgrade: false },
  { first: version('0.3.1'), name: '0.3.1', native: 2, upgradesFrom: [], asksForUpgrade: false },
  { first: version('0'), name: '0.3.0 and earlier', native: 'unversioned', upgradesFrom: [], asksForUpgrade: false },
];

/** All versions of the schema, oldest first: the columns of the matrix. */
export const schemaVersions: readonly SchemaVersion[] = ['unversioned', 2, 3, 4, 5, 6];

/** The row of the matrix that an Orthanc belongs to. */
export function schemaRowOf(orthanc: SoftwareVersion): SchemaRow {
  const row = schemaMatrix.find(({ first }) => !isBefore(orthanc, first));
  if (row === undefined) throw new RangeError('the last row of the matrix begins with version 0');
  return row;
}

/** One cell of the matrix. Releases up to 0.3.0 checked nothing and are incompatible with one another: never usable. */
export function schemaUse(schema: SchemaVersion, row: SchemaRow): SchemaUse {
  if (schema === 'unversioned') return 'unusable';
  if (schema === row.native) return 'native';
  return row.upgradesFrom.includes(schema) ? 'upgraded' : 'unusable';
}

/** A change of a SQLite index inside schema version 6, made silently by the first start of a release that has it. */
export interface SqliteAddition {
  readonly name: 'size-triggers' | 'labels' | 'revisions-and-custom-data' | 'queue-reservations';
  readonly since: SoftwareVersion;
  readonly what: string;
}

/** Oldest first. Source: Install*.sql of Orthanc's Sources/Database; seen in indexes of 1.10.1, 1.12.7 and 1.13.0. */
export const sqliteAdditions: readonly SqliteAddition[] = [
  { name: 'size-triggers', since: version('1.5.2'), what: 'table GlobalIntegers with the total size' },
  { name: 'labels', since: version('1.12.0'), what: 'table Labels' },
  {
    name: 'revisions-and-custom-data',
    since: version('1.12.8'),
    what: 'columns revision and customData, tables DeletedFiles, KeyValueStores and Queues',
  },
  {
    name: 'queue-reservations',
    since: version('1.12.10'),
    what: 'column Queues.reservedUntil, index DicomIdentifiersIndex3',
  },
];

/**
 * The oldest Orthanc that can write to a SQLite index that has the columns of 1.12.8. NEWS of 1.11.3 promises more
 * robustness against added columns; seen: 1.10.1 starts on an index of 1.13.0 and lists it, but every POST ends with
 * status `Failure`.
 */
export const firstRobustAgainstColumns = version('1.11.3');

/**
 * Releases whose `--upgrade` of a SQLite index from version 3, 4 or 5 never ends: from `first` to before `fixed`. Tried
 * on an index of version 5: 1.10.1 and 1.12.7 wait for ever for a lock that they hold themselves
 * (SQLiteDatabaseWrapper::Upgrade takes its mutex and then begins a transaction, which takes it again); 1.9.1 and 1.13.0
 * end. That the releases between behave like their neighbours is concluded from the source.
 */
export const hangingUpgrade = {
  first: version('1.9.2'),
  fixed: version('1.13.0'),
  lastBefore: version('1.9.1'),
} as const;
