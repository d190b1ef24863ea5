/** An advice as lines for people, and as a record for JSON. */

import type { FoundServer, WantedServer } from '../../orthanc-disk/found-server.ts';
import { formatVersion } from '../../orthanc-disk/orthanc-version.ts';
import { matrixDate, sqliteAdditions } from '../../orthanc-disk/schema-matrix.ts';
import type { Advice } from './advice.ts';
import type { BehaviourChange, Vulnerability } from './behaviour-changes.ts';

/** What is there, what is wanted, and the way, as lines of text. */
export function adviceLines(found: FoundServer, wanted: WantedServer, advice: Advice): readonly string[] {
  return [
    `found: ${foundText(found)}`,
    `wanted: Orthanc ${formatVersion(wanted.orthanc)}${wanted.backend === undefined ? '' : ` on ${wanted.backend}`}`,
    `way: ${advice.way}: ${advice.because}`,
    ...(advice.estimate === undefined ? [] : [`time: ${timeText(advice.estimate)}`]),
    ...numbered(advice.steps),
    ...advice.remarks.map((remark) => `note: ${remark}`),
    ...advice.behaviourChanges.map(
      (change) => `since ${formatVersion(change.since)}: ${change.what}; ${change.action}`,
    ),
    ...advice.vulnerabilities.map((flaw) => `security: ${flawText(flaw)}`),
    ...advice.remainingVulnerabilities.map((flaw) => `security of the wanted version: ${flawText(flaw)}`),
    `facts as of ${matrixDate}; table and sources: docs/advise.md`,
  ];
}

/** The same for programs. Additive: names are never taken away. */
export function adviceRecord(found: FoundServer, wanted: WantedServer, advice: Advice) {
  const { behaviourChanges, vulnerabilities, remainingVulnerabilities, ...rest } = advice;
  return {
    type: 'advice',
    found: {
      ...found,
      orthanc: found.orthanc === undefined ? undefined : formatVersion(found.orthanc),
      plugin: found.plugin === undefined ? undefined : formatVersion(found.plugin),
    },
    wanted: {
      ...wanted,
      orthanc: formatVersion(wanted.orthanc),
      plugin: wanted.plugin === undefined ? undefined : formatVersion(wanted.plugin),
    },
    ...rest,
    behaviourChanges: behaviourChanges.map((change: BehaviourChange) => ({
      ...change,
      since: formatVersion(change.since),
    })),
    vulnerabilities: vulnerabilities.map(flawRecord),
    remainingVulnerabilities: remainingVulnerabilities.map(flawRecord),
    factsAsOf: matrixDate,
  };
}

function foundText(found: FoundServer): string {
  const { orthanc, schema, backend, plugin, revision, instances } = found;
  const schemaText = schema === 'unversioned' ? 'without version (0.3.0 or older)' : `version ${schema ?? 'unknown'}`;
  return [
    orthanc === undefined ? 'Orthanc of unknown version' : `Orthanc ${formatVersion(orthanc)}`,
    `database ${schemaText} on ${backend}`,
    ...(plugin === undefined ? [] : [`plugin ${formatVersion(plugin)}`]),
    ...(revision === undefined ? [] : [`revision ${revision}${found.revisionIsExact ? '' : ' (by the release)'}`]),
    ...(found.sqliteAdditions === undefined || schema !== 6 ? [] : [lastAddition(found.sqliteAdditions)]),
    ...(instances === undefined ? [] : [`${instances} instances`]),
  ].join(', ');
}

/** What stands for a number of the changes inside version 6. */
function lastAddition(has: NonNullable<FoundServer['sqliteAdditions']>): string {
  const last = sqliteAdditions.findLast(({ name }) => has.includes(name));
  return last === undefined ? 'as before 1.5.2' : `with the additions of ${formatVersion(last.since)}`;
}

/** Steps are numbered; the commands that belong to a step are lines of their own below it. */
function numbered(steps: readonly string[]): readonly string[] {
  let number = 0;
  return steps.map((step) => {
    if (step.startsWith(' ')) return `   ${step}`;
    number += 1;
    return `${number}. ${step}`;
  });
}

function timeText({ shortestMs, longestMs, basis }: NonNullable<Advice['estimate']>): string {
  return `between ${minutesText(shortestMs)} and ${minutesText(longestMs)} (${basis})`;
}

function minutesText(durationMs: number): string {
  const minutes = Math.ceil(durationMs / 60_000);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

function flawText({ names, fixedIn, what }: Vulnerability): string {
  return `${names}: ${what}; fixed in ${formatVersion(fixedIn)}`;
}

function flawRecord(flaw: Vulnerability): Readonly<Record<string, string>> {
  return { ...flaw, fixedIn: formatVersion(flaw.fixedIn) };
}
