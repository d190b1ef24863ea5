/** How the servers of a configured mirror are called in messages, metrics and the state of the mirror. */

export function sourceName(mirror: string): string {
  return `${mirror} source`;
}

export function targetStoreName(mirror: string, target: string): string {
  return `${mirror} target ${target}`;
}
