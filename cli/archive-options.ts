/** The options of the commands that tell what an archive holds. */

import type { Option } from 'commander';
import * as z from 'zod';
import { parseMoment } from '../core/archive-life/restore/moment.ts';
import { checked, endpointOption, jsonOption, valueOption } from './options.ts';

export const archiveOptionValues = z.object({
  archive: z.string(),
  endpoint: z.string().optional(),
  at: z.string().optional(),
  deep: z.boolean().optional(),
  json: z.boolean().optional(),
});
export type ArchiveOptionValues = z.output<typeof archiveOptionValues>;

export function archiveOptions(): readonly Option[] {
  return [
    valueOption('--archive <place>', 'archive: a folder, or s3://bucket/prefix').makeOptionMandatory(),
    endpointOption(),
    jsonOption(),
  ];
}

export function atOption(): Option {
  return valueOption('--at <time>', 'what was there at this time: 2026-11-21, or 2026-11-21T10:30 (UTC)').argParser(
    checked(parseMoment),
  );
}
