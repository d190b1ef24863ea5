import { expect, test } from 'vitest';
import {
  exitCodeOfRun,
  plainPolicies,
  problemLine,
  problemsOf,
  summarize,
  summaryLines,
} from '../../cli/run/run-report.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { isInstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';

const target = destinationNamed('target', 'target.example');
const archive = destinationNamed('archive', '/backup');
const full = new MirrorError('full', 'target.example is full');

const clean = {
  summary: {
    instances: { ...noOutcomes(), copied: 1234 },
    destinations: new Map([
      ['target.example', { ...noOutcomes(), copied: 1234 }],
      ['/backup', { ...noOutcomes(), 'already-equal': 1234 }],
    ]),
    bytesCopied: 3 * 1024 ** 2,
    copiedUnsized: 0,
    notAtSource: 0,
    cold: 0,
    coldBytes: 0,
  },
  stoppedBy: undefined,
  withdrawn: new Map<Destination, MirrorError>(),
  interrupted: false,
};
const facts = {
  source: 'source.example',
  destinations: [target, archive],
  dryRun: false,
  durationMs: 3000,
  futureTimes: 0,
  ...plainPolicies,
};

test('the summary names every kind of outcome, zeros included', () => {
  expect(summaryLines(summarize(clean, facts))).toEqual([
    'copied 1,234, already equal 0, vanished 0, conflicting 0, rejected 0, failed 0 (3.00 MiB in 3 s, 1.00 MiB/s)',
    '  target target.example: copied 1,234, already equal 0, vanished 0, conflicting 0, rejected 0, failed 0',
    '  archive /backup: copied 0, already equal 1,234, vanished 0, conflicting 0, rejected 0, failed 0',
  ]);
});

test('a dry run says that it would', () => {
  expect(summaryLines(summarize(clean, { ...facts, dryRun: true }))[0]).toMatch(/^would copy 1,234,.*\(3.00 MiB\)$/);
});

test('a dry run from a server that lists no sizes says of how many it does not know them', () => {
  const unsized = { ...clean, summary: { ...clean.summary, bytesCopied: 0, copiedUnsized: 1234 } };
  const summary = summarize(unsized, { ...facts, dryRun: true });
  expect(summaryLines(summary)[0]).toMatch(/\(0 B, and 1,234 of unknown size\)$/);
  expect(summary).toMatchObject({ bytesCopied: 0, copiedUnsized: 1234 });
});

test('the JSON summary has the same counts', () => {
  expect(summarize(clean, facts)).toMatchObject({
    type: 'summary',
    copied: 1234,
    alreadyEqual: 0,
    vanished: 0,
    conflicting: 0,
    rejected: 0,
    failed: 0,
    destinations: [
      { name: 'target.example', role: 'target', copied: 1234 },
      { name: '/backup', role: 'archive', alreadyEqual: 1234 },
    ],
    exitCode: 0,
  });
});

test('a destination that was left out, the reason of a stop and an interruption are told', () => {
  const end = { ...clean, withdrawn: new Map([[target, full]]), stoppedBy: full, interrupted: true };
  const lines = summaryLines(summarize({ ...end, summary: { ...clean.summary, notAtSource: 2 } }, facts));
  expect(lines.slice(3)).toEqual([
    '2 not at the source',
    'target.example was left out: target.example is full (full)',
    'stopped: target.example is full (full)',
    'interrupted; run the same command again to go on',
  ]);
});

test.each([
  ['all is well', clean, 0],
  ['an instance failed', withCounts({ failed: 1 }), 5],
  ['an instance is in conflict', withCounts({ conflict: 1 }), 3],
  ['an instance was rejected', withCounts({ rejected: 1 }), 3],
  ['an instance vanished', withCounts({ vanished: 1 }), 0],
  ['a destination was left out', { ...clean, withdrawn: new Map([[target, full]]) }, 7],
  ['the run was stopped', { ...clean, stoppedBy: new MirrorError('unauthorized', '') }, 7],
  ['it was interrupted', { ...clean, interrupted: true }, 130],
])('the exit code when %s', (_, end, exitCode) => {
  expect(exitCodeOfRun(end)).toBe(exitCode);
});

test('a problem is one line with the whole id, the destination and the reason', () => {
  const id = orthancIdOf('p', 'a', 'b', 'c');
  if (!isInstanceId(id)) throw new Error('not an id');
  const refused = new MirrorError('refused', 'target.example refused the file (400)');
  const problems = problemsOf({
    id,
    outcomes: [
      { destination: target, kind: 'rejected', error: refused },
      { destination: archive, kind: 'copied' },
    ],
  });
  expect(problems).toHaveLength(1);
  expect(problems.map(problemLine)).toEqual([
    `rejected  ${id}  target.example  target.example refused the file (400) (refused)`,
  ]);
});

function withCounts(counts: Partial<ReturnType<typeof noOutcomes>>) {
  return { ...clean, summary: { ...clean.summary, instances: { ...noOutcomes(), ...counts } } };
}

/** A destination of which only name and role are looked at. */
function destinationNamed(role: Destination['role'], name: string): Destination {
  const unused = () => {
    throw new Error('a report does not use its destinations');
  };
  return {
    role,
    store: { name, inventory: unused, lookup: unused, open: unused, store: unused, close: unused },
  };
}
