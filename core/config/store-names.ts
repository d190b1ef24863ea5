/** How the stores of a mirror are called in messages and in its state. */
export function targetStoreName(mirror: string, target: string): string {
  return `${mirror} target ${target}`;
}
