/** What `advise --json` prints. */
import * as z from 'zod';
import { count, flag, milliseconds, text } from '../json-lines.ts';

const version = text('Version.');
const backend = text('What keeps the index.');
const flaws = (meaning: string) =>
  z
    .array(
      z.strictObject({
        names: text('CVE numbers.'),
        fixedIn: text('First version without it.'),
        what: text('What it is.'),
      }),
    )
    .describe(meaning);

export const adviseOutput = [
  z
    .strictObject({
      type: z.literal('advice'),
      found: z
        .strictObject({
          orthanc: version.optional(),
          schema: z
            .union([z.int(), z.literal('unversioned')])
            .optional()
            .describe('Version of the database.'),
          backend,
          plugin: version.optional(),
          revision: z.int().optional().describe("Revision of the plugin's database."),
          revisionIsExact: flag('Whether the revision was read, or follows from the release of the plugin.'),
          sqliteAdditions: z
            .array(z.string())
            .optional()
            .describe('Additions inside version 6 that a SQLite index has.'),
          instances: count('Instances of the index.').optional(),
          storedBytes: count('Bytes of all attachments as they lie in the storage.').optional(),
          storesDicom: flag('`StoreDicom`: false means that the index is all there is.').optional(),
        })
        .describe('What is there, as far as it is known.'),
      wanted: z.strictObject({ orthanc: version, plugin: version.optional(), backend: backend.optional() }),
      way: z
        .enum(['nothing', 'plugin-upgrade', 'upgrade', 'downgrade-scripts', 'replicate'])
        .describe('How to get there; see [advise.md](advise.md).'),
      because: text('Why this way.'),
      steps: z.array(z.string()).describe('What to do, in this order; commands begin with two spaces.'),
      remarks: z.array(z.string()).describe('What the way does to the database, and what can stop it.'),
      estimate: z
        .strictObject({
          shortestMs: milliseconds('at least.'),
          longestMs: milliseconds('at most.'),
          basis: text('What the figures rest on.'),
        })
        .optional(),
      behaviourChanges: z
        .array(z.strictObject({ since: version, what: text('What changes.'), action: text('What to do.') }))
        .describe('What changes although the database stays as it is.'),
      vulnerabilities: flaws('Of the version that is there.'),
      remainingVulnerabilities: flaws('Of the version that is wanted.'),
      actionNeeded: flag('Whether there is anything to do; the exit code is 4 then.'),
      factsAsOf: text('Date of the facts.'),
    })
    .describe('The only line.'),
];
