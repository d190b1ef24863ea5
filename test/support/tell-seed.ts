/** Tells at the beginning of a run with which seed it can be repeated. */
export default function tellSeed(): void {
  console.log(`TEST_SEED=${process.env.TEST_SEED}`);
}
