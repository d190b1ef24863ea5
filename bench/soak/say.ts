/** Tells what happens, with the time. */
export function say(line: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
