/** What `estimate --json` prints. */
import * as z from 'zod';
import { text } from '../json-lines.ts';

const amount = (meaning: string) => z.number().describe(meaning);
const items = (meaning: string) =>
  z
    .array(
      z.strictObject({
        what: text('What it is paid for.'),
        amount: amount('How much of it.'),
        unit: text('Of what.'),
        dollars: amount('What it costs.'),
      }),
    )
    .describe(meaning);

export const estimateOutput = [
  z
    .strictObject({
      type: z.literal('estimate'),
      pricesOf: text('Date of the prices.'),
      region: text('Region of the prices.'),
      currency: z.literal('USD').describe('Currency of all amounts.'),
      storageClass: text('Storage class that the instances end in.'),
      unchecked: text('Prices for which no source was found.').nullable(),
      begin: items('Once, to copy what is there.'),
      monthly: items('In a month.'),
      restore: items('To restore everything once, out of AWS.'),
      totals: z.strictObject({
        begin: amount('Dollars, once.'),
        monthly: amount('Dollars in a month.'),
        restore: amount('Dollars for a restore.'),
      }),
      bulkLoad: z.strictObject({
        stackHours: amount('Hours of the first copy by the stack.'),
        runHours: amount('Hours by `run` beside the source.'),
        linkHours: amount('Hours that the link alone takes.'),
        shardsDollars: amount('What `cloud.distributedMap` costs beside the copying, if it is used.'),
      }),
      verification: z
        .strictObject({
          neededGibPerHour: amount('What reading everything back in time takes.'),
          possibleGibPerHour: amount('What can be read.'),
          leastDays: amount('Days within which it is possible.'),
        })
        .optional(),
    })
    .describe('The only line.'),
];
