import { Command } from 'commander';
import { afterEach, expect, test, vi } from 'vitest';
import { switchOption, valueOption, wholeNumber } from '../../cli/options.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function parse(args: readonly string[]): Record<string, unknown> {
  const command = new Command('x')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .addOption(valueOption('--source-limit <n>', 'a number').argParser(wholeNumber(1)))
    .addOption(switchOption('--dry-run', 'a switch'));
  return command.parse(args, { from: 'user' }).opts();
}

test('an option that nobody gives is undefined, so that the file decides', () => {
  expect(parse([])).toEqual({});
});

test('the environment gives options, a flag wins over it', () => {
  vi.stubEnv('ORTHANC_MIRROR_SOURCE_LIMIT', '5');
  expect(parse([])).toEqual({ sourceLimit: 5 });
  expect(parse(['--source-limit', '6'])).toEqual({ sourceLimit: 6 });
});

test.each(['', '0', 'false', 'no', 'False'])('a switch is off when its variable is "%s"', (value) => {
  vi.stubEnv('ORTHANC_MIRROR_DRY_RUN', value);
  expect(parse([])).toEqual({});
});

test('a switch is on when its variable is 1', () => {
  vi.stubEnv('ORTHANC_MIRROR_DRY_RUN', '1');
  expect(parse([])).toEqual({ dryRun: true });
});

test.each(['0', '-1', '1.5', 'many', ''])('a number must be whole and large enough, not "%s"', (value) => {
  expect(() => parse(['--source-limit', value])).toThrow('whole number of at least 1');
  vi.stubEnv('ORTHANC_MIRROR_SOURCE_LIMIT', value);
  expect(() => parse([])).toThrow('whole number of at least 1');
});
