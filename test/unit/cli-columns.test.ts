/** Tables for people. */
import { expect, test } from 'vitest';
import { type Column, Table } from '../../cli/columns.ts';

const id = '0123456789012345678901234567890123456789abcd';
const columns: readonly Column[] = [
  { head: 'study', width: 44 },
  { head: 'patient', width: 16, least: 8 },
  { head: 'instances', width: 9, least: 0, right: true },
  { head: 'description', width: 32, least: 0 },
];
const row = [id, 'PATIENT-0123456789', '1,234', 'Thorax with contrast agent, three phases, follow-up'];

function linesAt(screen: number | undefined): readonly string[] {
  const table = new Table(columns, screen);
  return [table.head(), table.row(row)];
}

test.each([40, 54, 60, 66, 80, 100, 107, 120, 200])(
  'on a terminal of %i columns ids are whole, and no line wraps that can be narrower',
  (screen) => {
    for (const line of linesAt(screen)) expect(line.length).toBeLessThanOrEqual(Math.max(screen, 44 + 2 + 8));
    expect(linesAt(screen)[1]).toContain(id);
  },
);

test('what a narrow terminal has no room for goes from the right', () => {
  expect(linesAt(200)[0]).toMatch(/study +patient +instances +description/);
  expect(linesAt(80)[0]).toMatch(/study +patient +instances$/);
  expect(linesAt(60)[0]).toMatch(/study +patient$/);
});

test('only a terminal cuts cells, and says so', () => {
  expect(linesAt(107)[1]).toMatch(/PATIENT-0123456… +1,234 +Thorax with contrast agent, thr…$/);
  expect(linesAt(undefined)[1]).toContain(row[3]);
  expect(linesAt(undefined)[1]).toContain('PATIENT-0123456789');
});

test('numbers stand to the right, and a last column without a width is whole', () => {
  const table = new Table([{ head: 'count', width: 6, right: true }, { head: 'reason' }], 12);
  expect(table.head()).toBe(' count  reason');
  expect(table.row(['7', 'it is as long as it is'])).toBe('     7  it is as long as it is');
});

test('what would act on a terminal is shown as a question mark', () => {
  expect(new Table([{ head: 'name' }], 80).row(['DOE\u001b[2J^JANE'])).toBe('DOE?[2J^JANE');
});
