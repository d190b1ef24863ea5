import { describe, expect, test } from 'vitest';
import { AdaptiveConcurrency, defaultCeiling } from '../../core/copy/adaptive-concurrency.ts';
import {
  type Scene,
  type SimulatedClient,
  type SimulatedServer,
  seeded,
  simulate,
  type Told,
} from '../support/simulated-copies.ts';

/** Of the noise of paths and servers: always the same, because the bounds below are those of this noise. */
const seed = 1;

/** All round trips of a copy together: a question to the source, the bytes, the proof. */
const links = [
  { link: '0.1 ms', pathMs: 0.3, steadyAfterMs: 5_000 },
  { link: '10 ms', pathMs: 30, steadyAfterMs: 5_000 },
  { link: '30 ms per PUT', pathMs: 30.3, steadyAfterMs: 5_000 },
  { link: '40 ms', pathMs: 120, steadyAfterMs: 5_000 },
  { link: '150 ms', pathMs: 450, steadyAfterMs: 10_000 },
];

const servers: readonly { readonly name: string; readonly server: SimulatedServer }[] = [
  { name: 'a fast server', server: { workers: 4, serviceMs: 5 } },
  { name: 'one that works on a hundred at once', server: { workers: 100, serviceMs: 20 } },
  { name: 'a slow one with one thread', server: { workers: 1, serviceMs: 20 } },
  { name: 'one that gets worse beyond 8', server: { workers: 8, serviceMs: 20, worseBy: 0.05 } },
  { name: 'one that gets worse beyond 16', server: { workers: 16, serviceMs: 40, worseBy: 0.04 } },
  { name: 'one that answers 503 beyond 20', server: { workers: 20, serviceMs: 20, refusesFrom: 20 } },
];

const cases = links.flatMap((link) => servers.map((server) => ({ ...link, ...server })));

const client: SimulatedClient = { ceiling: defaultCeiling };

/** Copies per second, weighted by their work. */
function rateOf({ copies }: Told, fromMs: number, untilMs: number): number {
  const work = copies.reduce((sum, copy) => (copy.atMs > fromMs && copy.atMs <= untilMs ? sum + copy.work : sum), 0);
  return (work * 1000) / (untilMs - fromMs);
}

/** The rate of the best fixed limit that leaves the server at peace, found by trying. */
function optimumOf(scene: Omit<Scene, 'clients'>, isFine: (simulated: ReturnType<typeof simulate>) => boolean): number {
  const from = scene.untilMs / 3;
  const rates = [1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48].map((fixed) => {
    const simulated = simulate({ ...scene, clients: [{ ...client, fixed }] });
    return isFine(simulated) ? rateOf(firstOf(simulated), from, scene.untilMs) : 0;
  });
  // Chance lets a short trial exceed what the server can do.
  return Math.min(Math.max(...rates), (1000 * scene.server.workers) / scene.server.serviceMs);
}

function firstOf({ clients: [first] }: ReturnType<typeof simulate>): Told {
  if (first === undefined) throw new Error('the scene has no client');
  return first;
}

/** Where the limit was, weighted by time: the given shares of it. */
function quantilesOf({ limits }: Told, fromMs: number, untilMs: number, shares: readonly number[]): readonly number[] {
  const spans = limits
    .map(({ atMs, limit }, n) => {
      const endMs = Math.min(limits[n + 1]?.atMs ?? untilMs, untilMs);
      return { limit, ms: Math.max(0, endMs - Math.max(atMs, fromMs)) };
    })
    .sort((one, other) => one.limit - other.limit);
  const total = spans.reduce((sum, { ms }) => sum + ms, 0);
  return shares.map((share) => {
    let left = share * total;
    const found = spans.find(({ ms }) => {
      left -= ms;
      return left <= 0;
    });
    return found?.limit ?? Number.NaN;
  });
}

const meanLatency = (answers: readonly { latencyMs: number }[]): number =>
  answers.reduce((sum, { latencyMs }) => sum + latencyMs, 0) / answers.length;

describe('the number of copies at once', () => {
  test.each(cases)('finds the optimum over $link at $name, and stays there', ({ pathMs, steadyAfterMs, server }) => {
    const untilMs = steadyAfterMs + 40_000;
    const optimum = optimumOf({ seed, pathMs, server, untilMs: 12_000 }, (simulated) => {
      const { copies, refusals } = firstOf(simulated);
      return refusals <= copies.length * 0.001 + 20;
    });
    const told = firstOf(simulate({ seed, pathMs, server, clients: [client], untilMs }));
    expect(rateOf(told, steadyAfterMs, steadyAfterMs + 10_000)).toBeGreaterThan(0.9 * optimum);
    expect(rateOf(told, steadyAfterMs, untilMs)).toBeGreaterThan(0.9 * optimum);
    expect(told.refusals).toBeLessThan(told.copies.length * 0.01);
    // Apart from short looks at the idle path the limit hardly moves.
    const [low = 0, middle = 0, high = 0] = quantilesOf(told, steadyAfterMs, untilMs, [0.2, 0.5, 0.95]);
    expect(low).toBeGreaterThanOrEqual(Math.min(middle * 0.65, middle - 1));
    expect(high).toBeLessThanOrEqual(Math.max(middle * 1.45, middle + 2));
  });

  test.each(links)('leaves clinicians their server over $link', ({ pathMs, steadyAfterMs }) => {
    const scene = {
      seed,
      pathMs,
      server: { workers: 16, serviceMs: 40 },
      clinicians: { perSecond: 100, serviceMs: 40 },
      untilMs: steadyAfterMs + 60_000,
    };
    const alone = meanLatency(simulate({ ...scene, clients: [] }).answers);
    const inflation = (simulated: ReturnType<typeof simulate>): number =>
      meanLatency(simulated.answers.filter(({ atMs }) => atMs > steadyAfterMs)) / alone;
    const optimum = optimumOf(scene, (simulated) => inflation(simulated) <= 1.5);
    const simulated = simulate({ ...scene, clients: [client] });
    expect(inflation(simulated)).toBeLessThan(1.5);
    expect(rateOf(firstOf(simulated), steadyAfterMs, scene.untilMs)).toBeGreaterThan(0.85 * optimum);
  });

  test.each([
    { pathMs: 0.3, workers: 8 },
    { pathMs: 30, workers: 8 },
    { pathMs: 120, workers: 4 },
    { pathMs: 120, workers: 1 },
  ])('shares a server of $workers threads behind $pathMs ms with another of us', ({ pathMs, workers }) => {
    const server = { workers, serviceMs: 20 };
    const clients = [client, { ...client, startsAtMs: 15_000 }];
    const simulated = simulate({ seed, pathMs, server, clients, untilMs: 180_000 });
    const rates = simulated.clients.map((told) => rateOf(told, 60_000, 180_000));
    const sum = rates.reduce((total, rate) => total + rate, 0);
    const jain = sum ** 2 / (rates.length * rates.reduce((total, rate) => total + rate ** 2, 0));
    expect(jain).toBeGreaterThan(0.9);
    expect(Math.min(...rates) / Math.max(...rates)).toBeGreaterThan(0.5);
    expect(sum).toBeGreaterThan((0.9 * workers * 1000) / server.serviceMs);
  });

  test.each([
    { pathMs: 0.3, slowest: 100, fastest: 400 },
    { pathMs: 30, slowest: 100, fastest: 400 },
    { pathMs: 120, slowest: 100, fastest: 340 },
  ])('follows a server behind $pathMs ms that becomes slower and fast again', ({ pathMs, slowest, fastest }) => {
    const slowness = (nowMs: number) => (nowMs > 20_000 && nowMs < 60_000 ? 4 : 1);
    const server = { workers: 8, serviceMs: 20, slowness };
    const told = firstOf(simulate({ seed, pathMs, server, clients: [client], untilMs: 90_000 }));
    expect(rateOf(told, 10_000, 20_000)).toBeGreaterThan(0.9 * fastest);
    expect(rateOf(told, 30_000, 60_000)).toBeGreaterThan(0.85 * slowest);
    expect(rateOf(told, 70_000, 90_000)).toBeGreaterThan(0.9 * fastest);
  });

  test.each([120, 450])('does not take an unquiet machine behind %i ms for load', (pathMs) => {
    const random = seeded(seed);
    const factors = Array.from({ length: 40 }, () => 1 + 0.7 * random());
    const unrest = (nowMs: number) => factors[Math.floor(nowMs / 1500) % factors.length] ?? 1;
    const scene = { seed, pathMs, unrest, server: { workers: 100, serviceMs: 20 }, untilMs: 60_000 };
    const rates = [client, { ...client, fixed: defaultCeiling }].map((one) =>
      rateOf(firstOf(simulate({ ...scene, clients: [one] })), 10_000, 60_000),
    );
    const [adaptive = 0, most = 0] = rates;
    expect(adaptive).toBeGreaterThan(0.8 * most);
  });

  test('is not confused by tiny and huge instances', () => {
    const mix = [
      { sizeBytes: 10 * 1024, work: 0.4, share: 0.6 },
      { sizeBytes: 512 * 1024, work: 1, share: 0.395 },
      { sizeBytes: 500 * 1024 ** 2, work: 200, share: 0.005 },
    ];
    const server = { workers: 8, serviceMs: 5 };
    for (const pathMs of [0.3, 120]) {
      const rates = [2, 4, 8, 12, 16, 24, 32, 48].map((fixed) =>
        rateOf(
          firstOf(simulate({ seed, pathMs, server, clients: [{ ...client, mix, fixed }], untilMs: 60_000 })),
          10_000,
          60_000,
        ),
      );
      const told = firstOf(simulate({ seed, pathMs, server, clients: [{ ...client, mix }], untilMs: 60_000 }));
      expect(rateOf(told, 10_000, 60_000)).toBeGreaterThan(0.85 * Math.max(...rates));
    }
  });

  test('is ready for more when there was little to copy for a while', () => {
    const supply = (nowMs: number) => (nowMs > 10_000 && nowMs < 30_000 ? 1 : 1000);
    const server = { workers: 100, serviceMs: 20 };
    const told = firstOf(simulate({ seed, pathMs: 120, server, clients: [{ ...client, supply }], untilMs: 40_000 }));
    expect(rateOf(told, 12_000, 30_000)).toBeLessThan(10);
    expect(rateOf(told, 31_000, 40_000)).toBeGreaterThan(0.9 * rateOf(told, 5_000, 10_000));
  });

  test('never exceeds its ceiling and never stops', () => {
    const told = firstOf(
      simulate({
        seed,
        pathMs: 450,
        server: { workers: 100, serviceMs: 5 },
        clients: [{ ceiling: 6 }],
        untilMs: 30_000,
      }),
    );
    expect(Math.max(...told.limits.map(({ limit }) => limit))).toBe(6);
    const concurrency = new AdaptiveConcurrency({ ceiling: 8 });
    for (let n = 0; n < 10; n += 1) concurrency.pushedBack({ latencyMs: 1, nowMs: n * 10 });
    expect(concurrency.limit).toBe(1);
  });

  test('counts failures of copies that were in flight together as one', () => {
    const concurrency = new AdaptiveConcurrency({ ceiling: 8, start: 8 });
    for (let n = 0; n < 8; n += 1) concurrency.pushedBack({ latencyMs: 10, nowMs: 10 + n });
    expect(concurrency.limit).toBe(4);
  });
});
