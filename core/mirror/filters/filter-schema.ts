/** The part of the configuration that says which instances of the source are mirrored. */
import * as z from 'zod';

const dicomDate = z.string().regex(/^\d{8}$/, { error: 'is not a date such as 20260131' });
/** Wildcards and the separator of lists would mean something else to a server than to us. */
const plainText = z.string().regex(/^[^\\*?]+$/, { error: 'holds \\, * or ?, which are not taken literally' });

export const filterSchema = z
  .strictObject({
    modalities: z
      .array(z.string().regex(/^[A-Z0-9_ ]{1,16}$/, { error: 'is not a modality such as CT' }))
      .min(1)
      .optional()
      .describe('Series of these modalities, such as `CT`.'),
    studyDate: z
      .strictObject({
        from: dicomDate.optional().describe('Studies from this day on, `YYYYMMDD`.'),
        to: dicomDate.optional().describe('Studies until this day, `YYYYMMDD`.'),
        withinDays: z.int().min(1).max(36_500).optional().describe('Studies of the last so many days.'),
      })
      .optional()
      .describe('Studies of these days; those without a date are left out.'),
    labels: z
      .array(z.string().regex(/^[\w-]{1,64}$/, { error: 'is not a label' }))
      .min(1)
      .optional()
      .describe('Studies with one of these labels; Orthanc 1.12.0 or newer.'),
    patients: z
      .array(plainText)
      .min(1)
      .optional()
      .describe('Patients with these PatientIDs. They are patient data: keep the file as you keep such.'),
  })
  .refine((filter) => Object.keys(filter).length > 0, { error: 'is empty: remove it, or say what is mirrored' })
  .describe(
    'Only instances that fulfil all of this are mirrored. Absent: all. What was copied before stays, deletions are not followed, and sidecars are not mirrored. `LimitFindInstances` and `LimitFindResults` of the source must be 0, their default.',
  );
export type Filter = z.output<typeof filterSchema>;
