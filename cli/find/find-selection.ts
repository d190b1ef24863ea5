import { parseStudyDate } from '../../core/archive-life/restore/moment.ts';
import type { Selection } from '../../core/archive-life/restore/selection.ts';
import type { FindOptionValues } from './options.ts';

/** What the options of `find` ask for. Throws `configuration` for a date that is none. */
export function selectionOfFind(options: FindOptionValues): Selection {
  const { patient, study, accession, modality, since, until } = options;
  return {
    patients: patient,
    studies: study,
    accessionNumbers: accession,
    modalities: modality,
    since: since === undefined ? undefined : parseStudyDate(since),
    until: until === undefined ? undefined : parseStudyDate(until),
  };
}
