import * as z from 'zod';
import { orthancEncodings } from '../../core/dicom/charset.ts';

/** The options of `import` as commander gives them; those of the server are read where they are used. */
export const importOptionValues = z.object({
  to: z.string().optional(),
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  sourceEndpoint: z.string().optional(),
  report: z.string().optional(),
  /** `false` after `--no-index`, `true` if nothing was said. */
  index: z.union([z.string(), z.boolean()]).optional(),
  masterKey: z.array(z.string()).optional(),
  defaultEncoding: z.enum(orthancEncodings).optional(),
  acceptWithoutPixelData: z.boolean().optional(),
  concurrency: z.number().optional(),
  dryRun: z.boolean().optional(),
  json: z.boolean().optional(),
});

export interface ImportArguments {
  readonly path: string;
  readonly options: z.output<typeof importOptionValues>;
  /** All option values, those of the server included. */
  readonly values: unknown;
}
