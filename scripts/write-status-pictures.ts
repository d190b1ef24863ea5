/**
 * Writes the pictures of the status page in `docs/pictures`: all well, something to act on, on a telephone, in the dark.
 *
 *     node scripts/write-status-pictures.ts
 */
import { join } from 'node:path';
import { type StatusResult, viewOf } from '../cli/status/status-view.ts';
import { pageOf } from '../core/cloud/status/status-page.ts';
import { startBrowser } from '../test/support/open/browser.ts';

const pictures = new URL('../docs/pictures/', import.meta.url).pathname;
const measuredAt = '2026-11-21T12:00:00.000Z';
const hoursAgo = (hours: number) => new Date(Date.parse(measuredAt) - hours * 3_600_000).toISOString();

const good: StatusResult = {
  type: 'status',
  mirror: 'main',
  measuredAt,
  stores: [
    { name: 'source', instances: 1_284_331, error: null },
    { name: 'main-standby', instances: 1_284_331, error: null },
  ],
  last: [
    { command: 'run', at: hoursAgo(3), version: '0.1.0', exitCode: 0 },
    { command: 'verify', at: hoursAgo(30), version: '0.1.0', exitCode: 0 },
  ],
  comparedAt: hoursAgo(3),
  comparing: null,
  paused: [],
};
const bad: StatusResult = {
  ...good,
  stores: [
    { name: 'source', instances: 1_284_331, error: null },
    { name: 'main-standby', instances: null, error: 'standby:8042 refused the connection; is it running?' },
  ],
  last: [
    { command: 'run', at: hoursAgo(6 * 24), version: '0.1.0', exitCode: 7 },
    { command: 'verify', at: hoursAgo(35 * 24), version: '0.1.0', exitCode: 4 },
  ],
  comparedAt: hoursAgo(6 * 24),
  paused: [
    {
      store: 'main-standby',
      code: 'unreachable',
      reason: 'standby:8042 refused the connection; is it running?',
      begunAt: hoursAgo(6 * 24),
    },
  ],
};

const takes = [
  { name: 'status-good', status: good, width: 900, colorScheme: 'light' },
  { name: 'status-bad', status: bad, width: 900, colorScheme: 'light' },
  { name: 'status-narrow', status: bad, width: 390, colorScheme: 'light' },
  { name: 'status-dark', status: bad, width: 900, colorScheme: 'dark' },
] as const;

const browser = await startBrowser();
try {
  for (const { name, status, width, colorScheme } of takes) {
    const page = await browser.newPage({ viewport: { width, height: 200 }, colorScheme });
    await page.setContent(pageOf(viewOf(status, 'archive')));
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
    await page.close();
  }
} finally {
  await browser.close();
}
