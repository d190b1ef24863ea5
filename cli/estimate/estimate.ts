/** The work of `estimate`. */
import type { z } from 'zod';
import {
  type BulkLoad,
  type CostItem,
  estimate,
  finalClass,
  totalOf,
  type VerificationLoad,
} from '../../core/cloud/estimate/estimate.ts';
import { priceRegion, pricesOf, smallestMovedBytes, storagePrices } from '../../core/cloud/estimate/prices.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import type { estimateOptionValues } from './options.ts';

export function printEstimate(
  { averageKib, json = false, ...options }: z.output<typeof estimateOptionValues>,
  { terminal }: CommandContext,
): ExitCode {
  const input = { ...options, averageBytes: averageKib * 1024 };
  const { begin, monthly, restore, bulkLoad, verification } = estimate(input);
  const storageClass = finalClass(input);
  const { unchecked } = storagePrices[storageClass];
  if (json) {
    const totals = { begin: totalOf(begin), monthly: totalOf(monthly), restore: totalOf(restore) };
    const basis = { pricesOf, region: priceRegion, currency: 'USD', storageClass, unchecked: unchecked ?? null };
    terminal.printJson({ type: 'estimate', ...basis, begin, monthly, restore, totals, bulkLoad, verification });
    return exitCodes.ok;
  }
  terminal.print(`list prices of ${priceRegion} as of ${pricesOf}, in US dollars, without taxes and free tiers`);
  if (unchecked !== undefined) terminal.print(`no source was found for the prices of: ${unchecked}`);
  if (storageClass !== options.storageClass) {
    const kib = smallestMovedBytes / 1024;
    terminal.print(`S3 moves no object below ${kib} KiB out of Standard: counted as ${storageClass}`);
  }
  for (const line of linesOf('once, to copy what is there', begin)) terminal.print(line);
  for (const line of linesOf('in a month', monthly)) terminal.print(line);
  for (const line of linesOf('to restore everything once, out of AWS', restore)) terminal.print(line);
  terminal.print('');
  terminal.print(bulkLine(bulkLoad));
  if (verification !== undefined) terminal.print(verificationLine(verification, options.verifyDays));
  return exitCodes.ok;
}

function bulkLine({ stackHours, runHours, linkHours, shardsDollars }: BulkLoad): string {
  const hours = (value: number) => `${formatCount(Math.ceil(value))} hours`;
  return `the first copy takes about ${hours(stackHours)} by the stack, ${hours(runHours)} by "run" beside the source; the link alone takes ${hours(linkHours)}; in shards ("cloud.distributedMap") it costs ${shardsDollars.toFixed(2)} more`;
}

function verificationLine({ neededGibPerHour, possibleGibPerHour, leastDays }: VerificationLoad, days: number): string {
  const [needed, possible] = [neededGibPerHour, possibleGibPerHour].map(
    (gibs) => `${formatCount(Math.ceil(gibs))} GiB`,
  );
  const need = `reading everything back in ${days} days takes ${needed} an hour; about ${possible} can be read`;
  return leastDays <= days ? need : `${need}: too little. Set "verify.everyDays" to ${leastDays} or more`;
}

/** What costs nothing is not worth a line. */
function linesOf(title: string, items: readonly CostItem[]): string[] {
  const rows = items
    .filter(({ dollars }) => dollars > 0)
    .map(({ what, amount, unit, dollars }) => row(`${what} (${formatCount(amount)} ${unit})`, dollars));
  return ['', `${title}:`, ...rows, row('total', totalOf(items))];
}

function row(what: string, dollars: number): string {
  return `  ${what.padEnd(60)}${dollars.toFixed(2).padStart(12)}`;
}
