/**
 * The revisions of the databases that index plugins keep inside schema version 6: property 4 of GlobalProperties.
 * Sources: Orthanc Book, plugins/postgresql, plugins/mysql and plugins/odbc; NEWS of orthanc-databases.
 */
import { isBefore, type SoftwareVersion, version } from '../../orthanc-disk/orthanc-version.ts';

/** Releases of a plugin that use one revision. */
export interface PluginRevision {
  /** 0: property 4 is absent. */
  readonly revision: number;
  readonly firstPlugin: SoftwareVersion;
  readonly releases: string;
  /** The oldest Orthanc that the plugin runs in. */
  readonly minimumOrthanc?: SoftwareVersion;
  /** The script that takes a database of this revision one step down, in PostgreSQL/Plugins/SQL/Downgrades. */
  readonly downgradeScript?: string;
  /** How long the step from the revision before took on 150 million instances. */
  readonly stepMinutes?: number;
}

/** Oldest first. */
export const postgresqlRevisions: readonly PluginRevision[] = [
  { revision: 0, firstPlugin: version('1.0'), releases: 'before 5.1' },
  { revision: 1, firstPlugin: version('5.1'), releases: '5.1' },
  {
    revision: 2,
    firstPlugin: version('6.0'),
    releases: '6.0 to 6.2',
    minimumOrthanc: version('1.12.3'),
    downgradeScript: 'Rev2ToRev1.sql',
    stepMinutes: 17,
  },
  {
    revision: 3,
    firstPlugin: version('7.0'),
    releases: '7.0 to 7.1',
    minimumOrthanc: version('1.12.5'),
    downgradeScript: 'Rev3ToRev2.sql',
    stepMinutes: 7,
  },
  {
    revision: 4,
    firstPlugin: version('7.2'),
    releases: '7.2',
    minimumOrthanc: version('1.12.5'),
    downgradeScript: 'Rev4ToRev3.sql',
    stepMinutes: 0,
  },
  {
    revision: 5,
    firstPlugin: version('8.0'),
    releases: '8.0',
    minimumOrthanc: version('1.12.5'),
    downgradeScript: 'Rev5ToRev4.sql',
    stepMinutes: 0,
  },
  {
    revision: 6,
    firstPlugin: version('9.0'),
    releases: '9.0',
    minimumOrthanc: version('1.12.5'),
    downgradeScript: 'Rev6ToRev5.sql',
    stepMinutes: 22,
  },
  {
    revision: 10,
    firstPlugin: version('10.0'),
    releases: '10.0 to 10.3',
    minimumOrthanc: version('1.12.5'),
    downgradeScript: 'Rev10ToRev6.sql',
    stepMinutes: 7,
  },
];

/** How many instances the database had on which `stepMinutes` were measured. */
export const measuredInstances = 150_000_000;
/** After the step to revision 10 the plugin counts children in the background for this long, on the same database. */
export const childCountHours = 50;

/** The MySQL plugin upgrades its revisions (1 to 8 in 5.2, 9 later) by itself and has no scripts down. */
export const mysqlNote =
  'the MySQL plugin brings older revisions (property 4) to its own by itself; there is no way back';

/** @returns the revision that a release of the PostgreSQL plugin keeps. */
export function postgresqlRevisionOf(plugin: SoftwareVersion): PluginRevision {
  const row = postgresqlRevisions.findLast(({ firstPlugin }) => !isBefore(plugin, firstPlugin));
  const [oldest] = postgresqlRevisions;
  const found = row ?? oldest;
  if (found === undefined) throw new RangeError('the table of revisions is empty');
  return found;
}

/** @returns the newest revision whose plugin runs in an Orthanc. */
export function newestPostgresqlRevision(orthanc: SoftwareVersion): PluginRevision {
  const row = postgresqlRevisions.findLast(
    ({ minimumOrthanc }) => minimumOrthanc === undefined || !isBefore(orthanc, minimumOrthanc),
  );
  if (row === undefined) throw new RangeError('the first revision has no minimum');
  return row;
}

/** The steps that the plugin takes by itself from one revision up to another, oldest first. */
export function stepsUp(from: number, to: number): readonly PluginRevision[] {
  return postgresqlRevisions.filter(({ revision }) => revision > from && revision <= to);
}

/**
 * The scripts that take a database from one revision down to another, in the order in which to run them.
 * @returns `undefined` if there is no way down: no script goes below revision 1.
 */
export function scriptsDown(from: number, to: number): readonly string[] | undefined {
  const steps = postgresqlRevisions.filter(({ revision }) => revision <= from && revision > to).toReversed();
  const scripts = steps.flatMap(({ downgradeScript }) => downgradeScript ?? []);
  return scripts.length === steps.length ? scripts : undefined;
}
