/**
 * @returns whether tests that need something of the machine can run here. Where they cannot, says what is missing; in
 * continuous integration (`CI=true`) that is a failure.
 */
export function needs(isThere: boolean, what: string): boolean {
  if (!isThere && process.env.CI === 'true') throw new Error(`these tests need ${what}`);
  if (!isThere) console.warn(`skipped, because this needs ${what}`);
  return isThere;
}
