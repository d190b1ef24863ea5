/**
 * How many functions work at once, so that no mirror takes the share of another and no server gets more connections than
 * it is configured to bear. Pure; the stack and the functions both ask here.
 */
import { type TransferLane, transferLanes } from './queue-names.ts';
import type { Configuration, MirrorConfiguration } from './schema.ts';
import type { ServerConfiguration } from './server-schema.ts';

/** Lambda cannot bound an event source to fewer. Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html */
const fewestOfLane = 2;
/** A mirror has an event source in each lane. */
export const fewestInvocations = fewestOfLane * transferLanes.length;

/** Minutes between two shares that are read back of each mirror. */
export const verifyEveryMinutes = 60;

const secondsPerMinute = 60;

/** Most invocations of the transfer function at once for one mirror: as configured, but no more than its servers bear. */
export function transferInvocations(mirror: MirrorConfiguration, configuration: Configuration): number {
  const borne = serversOfMirror(mirror).map((server) => connectionsPerMirror(server, configuration));
  return Math.max(fewestInvocations, Math.min(configuration.cloud.transfer.maxConcurrency, ...borne));
}

/** How the invocations of a mirror are shared by its lanes: what is old gets what the others leave. */
export function invocationsOfLane(
  lane: TransferLane,
  mirror: MirrorConfiguration,
  configuration: Configuration,
): number {
  const others = fewestOfLane * (transferLanes.length - 1);
  return lane === 'backlog' ? transferInvocations(mirror, configuration) - others : fewestOfLane;
}

/** How many functions may copy from or to a server at once, which share its connections: those of every mirror that names it. */
export function processesAt(server: ServerConfiguration, configuration: Configuration): number {
  const invocations = mirrorsAt(server, configuration).map((mirror) => transferInvocations(mirror, configuration));
  const ofShards = configuration.cloud.distributedMap?.maxConcurrency ?? 0;
  return Math.max(
    1,
    invocations.reduce((sum, one) => sum + one, ofShards),
  );
}

/** @returns of the connections that a server bears those for one of the mirrors that name it */
export function connectionsPerMirror(server: ServerConfiguration, configuration: Configuration): number {
  const same = everyServer(configuration).filter((other) => isSame(other, server));
  const fewest = Math.min(...same.map(({ maxConnections }) => maxConnections));
  return Math.floor(fewest / mirrorsAt(server, configuration).length);
}

/** Most invocations at once that a schedule starts for one mirror if each of them uses up its time. */
export function scheduledInvocations({
  timeoutSeconds,
  everyMinutes,
}: {
  readonly timeoutSeconds: number;
  readonly everyMinutes: number;
}): number {
  return Math.floor(timeoutSeconds / (everyMinutes * secondsPerMinute)) + 1;
}

/** Source and targets of a mirror. */
export function serversOfMirror({ source, targets }: MirrorConfiguration): ServerConfiguration[] {
  return [source, ...Object.values(targets)];
}

function everyServer({ mirrors }: Configuration): ServerConfiguration[] {
  return Object.values(mirrors).flatMap(serversOfMirror);
}

function mirrorsAt(server: ServerConfiguration, { mirrors }: Configuration): MirrorConfiguration[] {
  return Object.values(mirrors).filter((mirror) => serversOfMirror(mirror).some((other) => isSame(other, server)));
}

/** Two mirrors that name one host and port load the same server, whatever path they name. */
function isSame(one: ServerConfiguration, other: ServerConfiguration): boolean {
  return new URL(one.url).origin === new URL(other.url).origin;
}
