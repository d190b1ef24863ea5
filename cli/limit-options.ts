/** Which part of a source is mirrored, and how fast, as options; each takes the place of its field in the configuration. */
import type { Option } from 'commander';
import * as z from 'zod';
import { parseStudyDate } from '../core/archive-life/restore/moment.ts';
import { describeProblems, wordProblem } from '../core/config/problems.ts';
import type { MirrorConfiguration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
import { filterSchema } from '../core/mirror/filters/filter-schema.ts';
import { checked, numberBetween, valueOption } from './options.ts';

/** What of a source is mirrored, how fast and when. */
export type MirrorLimits = Pick<MirrorConfiguration, 'filter' | 'megabitsPerSecond' | 'schedule'>;

const filterValues = z.object({
  modality: z.array(z.string()).optional(),
  label: z.array(z.string()).optional(),
  patient: z.array(z.string()).optional(),
  since: z.string().optional(),
  until: z.string().optional(),
});
const limitValues = filterValues.extend({ megabitsPerSecond: z.number().optional() });

/** Whether the options of a command ask for another part of the source than its mirror has. */
export function hasFilterOption(values: unknown): boolean {
  return Object.values(filterValues.parse(values)).some((value) => value !== undefined);
}

/** The part of the source, for commands that compare it. */
export function filterOptions(): readonly Option[] {
  return [
    valueOption('--modality <name...>', 'only series of these modalities'),
    valueOption('--label <name...>', 'only studies with one of these labels (Orthanc 1.12.0 or newer)'),
    valueOption('--patient <id...>', 'only patients with these PatientIDs'),
    valueOption('--since <date>', 'only studies of this date or later').argParser(checked(parseStudyDate)),
    valueOption('--until <date>', 'only studies of this date or earlier').argParser(checked(parseStudyDate)),
  ];
}

export function bandwidthOption(): Option {
  return valueOption('--megabits-per-second <n>', 'most that is read from the source (default: no limit)').argParser(
    numberBetween(0.001, Number.POSITIVE_INFINITY),
  );
}

/** @returns the limits of the configuration with what the options say instead. Throws `configuration`. */
export function limitsOf(values: unknown, configured: MirrorLimits): MirrorLimits {
  const { modality, label, patient, since, until, megabitsPerSecond } = limitValues.parse(values);
  const { studyDate = {} } = configured.filter ?? {};
  const wanted = {
    ...configured.filter,
    ...(modality !== undefined && { modalities: modality }),
    ...(label !== undefined && { labels: label }),
    ...(patient !== undefined && { patients: patient }),
    ...((since !== undefined || until !== undefined) && {
      studyDate: {
        ...studyDate,
        ...(since !== undefined && { from: parseStudyDate(since) }),
        ...(until !== undefined && { to: parseStudyDate(until) }),
      },
    }),
  };
  return {
    ...configured,
    ...(Object.keys(wanted).length > 0 && { filter: filterIn(wanted) }),
    ...(megabitsPerSecond !== undefined && { megabitsPerSecond }),
  };
}

function filterIn(wanted: unknown): MirrorLimits['filter'] {
  const read = filterSchema.safeParse(wanted, { error: wordProblem });
  if (read.success) return read.data;
  throw new MirrorError('configuration', `what is mirrored: ${describeProblems(read.error).join('; ')}`);
}
