/** The work of `estimate`. */
import type { z } from 'zod';
import { type CostItem, estimate, finalClass, totalOf } from '../../core/cloud/estimate/estimate.ts';
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
  const { begin, monthly } = estimate(input);
  const storageClass = finalClass(input);
  const { unchecked } = storagePrices[storageClass];
  if (json) {
    const totals = { begin: totalOf(begin), monthly: totalOf(monthly) };
    const basis = { pricesOf, region: priceRegion, currency: 'USD', storageClass, unchecked: unchecked ?? null };
    terminal.printJson({ type: 'estimate', ...basis, begin, monthly, totals });
    return exitCodes.ok;
  }
  terminal.print(`list prices of ${priceRegion} as of ${pricesOf}, in US dollars, without taxes and free tiers`);
  if (unchecked !== undefined) terminal.print(`no source was found for the prices of: ${unchecked}`);
  if (storageClass !== options.storageClass) {
    const kib = smallestMovedBytes / 1024;
    terminal.print(`S3 moves no object below ${kib} KiB out of Standard: reckoned as ${storageClass}`);
  }
  for (const line of linesOf('once, to copy what is there', begin)) terminal.print(line);
  for (const line of linesOf('in a month', monthly)) terminal.print(line);
  return exitCodes.ok;
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
