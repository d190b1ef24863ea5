/** The bounds of what a server may cost, as counters: no clock, no connection. */
import { describe, expect, test } from 'vitest';
import { defaultServerLimits, Pace, Progress } from '../../core/stores/orthanc/bounds.ts';

const minute = 60_000;

describe('the pace of a body', () => {
  test('is too slow at a byte a second, as soon as a minute was waited', () => {
    const pace = new Pace('pacs', defaultServerLimits);
    for (let second = 1; second < 60; second += 1) pace.passed(1, 1000);
    expect(() => pace.passed(1, 1000)).toThrow(/^pacs passes 1\.0 bytes per second, less than 256/);
  });

  test('suffices on each of sixteen connections that share a line of 64 kbit/s', () => {
    const pace = new Pace('pacs', defaultServerLimits);
    for (let chunk = 0; chunk < 1000; chunk += 1) expect(() => pace.passed(16_384, 32_768)).not.toThrow();
  });

  test('is judged by what the server was waited for, not by pauses of our own', () => {
    const pace = new Pace('pacs', defaultServerLimits);
    for (let chunk = 0; chunk < 1000; chunk += 1) expect(() => pace.passed(1, 0)).not.toThrow();
  });

  test('is judged anew after each minute: what came quickly before does not pay for a stall', () => {
    const pace = new Pace('pacs', defaultServerLimits);
    pace.passed(100 * 1024 * 1024, minute);
    expect(() => pace.passed(10, minute)).toThrow(/too|less than/);
  });
});

describe('the progress of a listing', () => {
  const bounds = { mostItems: 10_000, itemsPerRequest: 10 };

  test('goes on as long as requests bring something', () => {
    const progress = new Progress('pacs', 'instances', bounds);
    for (let request = 0; request < 1000; request += 1) {
      progress.request();
      progress.found(10);
    }
  });

  test('ends after a bounded number of requests that bring nothing, however much came before', () => {
    const progress = new Progress('pacs', 'instances', bounds);
    progress.request();
    progress.found(9000);
    let requests = 0;
    const goOn = () => {
      for (;;) {
        progress.request();
        requests += 1;
      }
    };
    expect(goOn).toThrow(/^pacs lists its instances without getting on, 9000 so far/);
    expect(requests).toBeLessThanOrEqual(64);
  });

  test('ends when there are more items than there may be', () => {
    const progress = new Progress('pacs', 'changes', bounds);
    progress.found(10_000);
    expect(() => progress.found(1)).toThrow(/^pacs lists more than 10000 changes/);
  });
});
