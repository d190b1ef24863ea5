/**
 * What the scheduler does at a hospital, in simulated time: its real ticks against servers and a bucket that take the time of
 * real ones. `node bench/hospital.ts [instances [scale [ms of an S3 request [phases]]]]`
 *
 * With a scale each simulated instance stands for so many real ones: what is done for each takes so many times as long, and
 * sizes at which something is done in another way are so many times smaller. With a scale of 1 nothing is scaled.
 */
import { estimate } from '../core/cloud/estimate/estimate.ts';
import { servicePrices, storagePrices } from '../core/cloud/estimate/prices.ts';
import { dayMs, Hospital, type HospitalOptions, minuteMs } from '../test/support/hospital/hospital.ts';

const [instances = 20_000_000, scale = 20, requestMs = 15] = process.argv.slice(2, 5).map(Number);
const phases = (process.argv[5] ?? 'bulk,week,outage,cleared,lost').split(',');

const options: HospitalOptions = {
  instances,
  perDay: 40_000,
  studies: Math.round(instances / 333),
  days: 60,
  scale,
  requestMs,
  timeoutSeconds: 900,
  copiesPerSecond: { new: 8, old: 22 },
  backlogMessages: 100_000,
  isMirrored: true,
};

console.log(`${instances} instances, each simulated one stands for ${scale}; a request to S3 takes ${requestMs} ms`);
console.log(
  '| phase | days | comparisons | longest, h | slices | failed | longest slice, s | slowest arrival, s | most in the queue | lacking | server, CPU h | LIST | PUT | GET | we, CPU s | MB |',
);
console.log(`|${' --- |'.repeat(16)}`);

if (phases.includes('bulk')) {
  const empty = new Hospital({ ...options, isMirrored: false });
  await measured('first bulk load', empty, () => empty.compareOnce(40));
}
const hospital = new Hospital(options);
await measured('first comparison', hospital, () => hospital.compareOnce(10));
if (phases.includes('week')) {
  hospital.beginArrivals();
  const before = { ...hospital.bucket.requests, schedulerMs: hospital.schedulerMs };
  await measured('a usual week', hospital, () => hospital.pass(7));
  tellCost(before);
}
if (phases.includes('outage')) {
  await measured('target away for 2 days, then 2 more', hospital, async () => {
    await hospital.beginOutage();
    await hospital.pass(2);
    hospital.target.isAway = false;
    await hospital.pass(2);
  });
}
if (phases.includes('cleared')) {
  await measured('feed cleared, 2 days', hospital, async () => {
    hospital.source.clearFeed();
    await hospital.pass(2);
  });
}
if (phases.includes('lost')) {
  await measured('memory lost, 2 days', hospital, async () => {
    hospital.bucket.forgetInventories();
    await hospital.pass(2);
  });
}

async function measured(name: string, of: Hospital, work: () => Promise<void>): Promise<void> {
  const { source, bucket, time } = of;
  const before = {
    ms: time.nowMs(),
    slices: of.slices.length,
    busyMs: source.busyMs,
    compared: of.comparedAtMs.length,
    ...bucket.requests,
    kinds: new Map(source.requests),
    cpu: process.cpuUsage(),
  };
  of.slowestArrivalMs = 0;
  of.longestBacklog = 0;
  await work();
  const slices = of.slices.slice(before.slices);
  const failed = slices.filter(({ error }) => error !== undefined);
  for (const { error, atMs } of failed.slice(0, 3)) console.error(new Date(atMs).toISOString(), error);
  const cpu = process.cpuUsage(before.cpu);
  const { archive, target } = of.missing;
  const figures = [
    ((time.nowMs() - before.ms) / dayMs).toFixed(1),
    of.comparedAtMs.length - before.compared,
    (longestComparisonMs(of, before.slices) / 3_600_000).toFixed(1),
    slices.filter(({ report }) => (report?.compared ?? 0) > 0 || report?.comparing === true).length,
    failed.length,
    (Math.max(...slices.map(({ tookMs }) => tookMs)) / 1000).toFixed(0),
    (of.slowestArrivalMs / 1000).toFixed(0),
    of.longestBacklog,
    `${archive} / ${target}`,
    ((source.busyMs - before.busyMs) / 3_600_000).toFixed(2),
    bucket.requests.list - before.list,
    bucket.requests.put - before.put,
    bucket.requests.get - before.get,
    ((cpu.user + cpu.system) / 1e6).toFixed(0),
    (process.memoryUsage().rss / 1e6).toFixed(0),
  ];
  const kinds = [...source.requests].map(([kind, count]) => `${kind} ${count - (before.kinds.get(kind) ?? 0)}`);
  console.error(`${name}: requests to the source: ${kinds.join(', ')}`);
  console.log(`| ${name} | ${figures.join(' | ')} |`);
}

/** What a month like this week costs by what was counted, beside what `estimate` says of the same. */
function tellCost(before: Hospital['bucket']['requests'] & { readonly schedulerMs: number }): void {
  const months = 7 / 30.4;
  const { list, put, get } = hospital.bucket.requests;
  const { perThousandPuts, perThousandGets } = storagePrices.standard;
  const counted = {
    'S3 listings, comparisons': ((list - before.list) * perThousandPuts) / 1000 / months,
    'S3 writes, comparisons': ((put - before.put) * perThousandPuts) / 1000 / months,
    'S3 reads, comparisons': ((get - before.get) * perThousandGets) / 1000 / months,
    'Lambda, comparisons': ((hospital.schedulerMs - before.schedulerMs) * servicePrices.perGibSecond) / 1000 / months,
  };
  const { perDay } = options;
  const { monthly } = estimate({
    instances,
    perDay,
    averageBytes: 524_288,
    storageClass: 'standard',
    targets: 1,
    targetsOutside: true,
    mirrors: 1,
    everyMinutes: 1,
    verifyDays: 30,
    linkMegabits: 1000,
  });
  let [sum, estimated] = [0, 0];
  for (const [what, dollars] of Object.entries(counted)) {
    const told = monthly.find((one) => one.what === what)?.dollars ?? Number.NaN;
    console.error(`${what}: counted ${dollars.toFixed(2)}, estimated ${told.toFixed(2)} dollars a month`);
    sum += dollars;
    estimated += told;
  }
  const percent = (100 * (estimated - sum)) / sum;
  console.error(
    `together: counted ${sum.toFixed(2)}, estimated ${estimated.toFixed(2)}, ${percent.toFixed(0)} % apart`,
  );
}

/** From the slice in which a comparison began to the one in which it ended. */
function longestComparisonMs(of: Hospital, from: number): number {
  let begunAtMs: number | undefined;
  let longest = 0;
  for (const { atMs, tookMs, report } of of.slices.slice(from)) {
    if (report?.compareReason !== undefined) begunAtMs ??= atMs;
    if (report?.comparing === true) continue;
    if (begunAtMs !== undefined && report !== undefined) longest = Math.max(longest, atMs + tookMs - begunAtMs);
    if (report !== undefined) begunAtMs = undefined;
  }
  return begunAtMs === undefined ? longest : Math.max(longest, of.time.nowMs() - begunAtMs, minuteMs);
}
