import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  invocationsOfLane,
  processesAt,
  scheduledInvocations,
  serversOfMirror,
  transferInvocations,
} from '../../core/config/cloud-shares.ts';
import { validateConfiguration } from '../../core/config/load.ts';
import { transferLanes } from '../../core/config/queue-names.ts';
import { connectionsPerProcess } from '../../core/config/server-access.ts';

/** Mirrors that share some of a few servers. */
const configurations = fc
  .record({
    maxConcurrency: fc.integer({ min: 6, max: 40 }),
    // Enough for two functions of each mirror in each lane, as the stack demands.
    connections: fc.array(fc.integer({ min: 36, max: 256 }), { minLength: 4, maxLength: 4 }),
    mirrors: fc.array(fc.record({ source: fc.nat(3), targets: fc.uniqueArray(fc.nat(3), { maxLength: 3 }) }), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  .map(({ maxConcurrency, connections, mirrors }) => {
    const serverAt = (n: number) => ({ url: `https://server-${n}.example.org/`, maxConnections: connections[n] });
    return validateConfiguration(
      {
        mirrors: Object.fromEntries(
          mirrors.map(({ source, targets }, index) => [
            `mirror-${index}`,
            {
              source: serverAt(source),
              targets: Object.fromEntries(targets.map((n) => [`target-${n}`, serverAt(n)])),
              archive: {},
            },
          ]),
        ),
        cloud: { transfer: { maxConcurrency } },
      },
      'the test',
    );
  });

test('the functions that copy never open more connections to a server than it is configured to bear', () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      const mirrors = Object.values(configuration.mirrors);
      for (const server of mirrors.flatMap(serversOfMirror)) {
        const using = mirrors.filter((mirror) => serversOfMirror(mirror).some(({ url }) => url === server.url));
        const each = connectionsPerProcess(server, processesAt(server, configuration));
        const opened = using.reduce((sum, mirror) => sum + each * transferInvocations(mirror, configuration), 0);
        expect(opened).toBeLessThanOrEqual(server.maxConnections);
      }
    }),
  );
});

test('a mirror gets as many invocations as are configured, but no more than its servers allow connections', () => {
  fc.assert(
    fc.property(configurations, (configuration) => {
      for (const mirror of Object.values(configuration.mirrors)) {
        const invocations = transferInvocations(mirror, configuration);
        expect(invocations).toBeGreaterThanOrEqual(6);
        expect(invocations).toBeLessThanOrEqual(configuration.cloud.transfer.maxConcurrency);
        const lanes = transferLanes.map((lane) => invocationsOfLane(lane, mirror, configuration));
        expect(Math.min(...lanes)).toBeGreaterThanOrEqual(2);
        expect(lanes.reduce((sum, one) => sum + one)).toBe(invocations);
      }
    }),
  );
});

test.each([
  [{ timeoutSeconds: 300, everyMinutes: 1 }, 6],
  [{ timeoutSeconds: 299, everyMinutes: 1 }, 5],
  [{ timeoutSeconds: 30, everyMinutes: 1 }, 1],
  [{ timeoutSeconds: 900, everyMinutes: 60 }, 1],
])('of a schedule %j at most %i invocations are under way', (schedule, most) => {
  expect(scheduledInvocations(schedule)).toBe(most);
});
