/** What an import prints and writes down of names that somebody else gave. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { problemLine } from '../../cli/import/import-report.ts';
import { Report } from '../../cli/report/report.ts';
import type { ReportLine } from '../../core/import/report.ts';

const acting = 'a\u009b2J\u001b[31m\u202egnp.dcm';
const line: ReportLine = { path: acting, outcome: 'refused', reason: 'it is text', code: 'source-corrupt' };

test('a name that would act on the screen is printed as what it is', () => {
  const printed = problemLine(line);
  expect(printed).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(printed).toContain('"a\\u009b2J\\u001b[31m\\u202egnp.dcm"');
});

test('a name that would act on the screen is in the report, and acts on nobody who looks at it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'report-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const facts = { command: 'import', version: '1', begunAt: '2026-11-21T00:00:00Z', given: {}, inputs: {} };
  const report = new Report(join(folder, 'report.jsonl'), facts);
  report.add({ type: 'problem', ...line });
  report.end(3, undefined);
  const lines = (await readFile(join(folder, 'report.jsonl'), 'utf8')).trimEnd().split('\n');
  for (const text of lines) expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(JSON.parse(lines[1] ?? '')).toEqual({ type: 'problem', ...line });
});
