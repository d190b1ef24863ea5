import type { Configuration, MirrorConfiguration } from './schema.ts';

/**
 * @returns the configured mirror of a name, `undefined` if there is none. Names come from messages, keys and the command
 * line: `constructor` is one too, and must not find what every object has.
 */
export function mirrorNamed(
  { mirrors }: Pick<Configuration, 'mirrors'>,
  name: string,
): MirrorConfiguration | undefined {
  return Object.hasOwn(mirrors, name) ? mirrors[name] : undefined;
}
