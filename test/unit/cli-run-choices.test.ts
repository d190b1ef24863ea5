/** What a run does about conflicts and deletions: a flag wins over the configuration file, the file over the default. */
import { expect, test } from 'vitest';
import { choicesOf, runOptionValues } from '../../cli/run/options.ts';
import { configurationSchema } from '../../core/config/schema.ts';

const deletions = { mode: 'propagate', maxCount: 7, maxPercent: 1, graceHours: 3 };
const { mirrors } = configurationSchema.parse({
  mirrors: { main: { source: { url: 'http://a' }, archive: { folder: '/x' }, conflicts: 'replace', deletions } },
});
const asConfigured = {
  conflicts: 'replace',
  deletions: 'propagate',
  maxDeletions: 7,
  maxDeletionPercent: 1,
  deletionGraceHours: 3,
};
const byDefault = { conflicts: 'report', deletions: 'off', maxDeletions: 1000, maxDeletionPercent: 1 };

test('the configuration file says it where no flag does', () => {
  expect(choicesOf(runOptionValues.parse({}), { policies: mirrors.main ?? {} })).toMatchObject(asConfigured);
});

test('a flag says it first', () => {
  const flags = { conflicts: 'keep-target', deletions: 'off', maxDeletions: 0, maxDeletionPercent: 0 };
  const chosen = choicesOf(runOptionValues.parse(flags), { policies: mirrors.main ?? {} });
  expect(chosen).toMatchObject({ ...asConfigured, ...flags });
});

test('without either, nothing is deleted or replaced', () => {
  expect(choicesOf(runOptionValues.parse({}), { policies: {} })).toMatchObject(byDefault);
});
