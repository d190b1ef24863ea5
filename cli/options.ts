/**
 * An option is declared once, as a flag; its environment variable (`--source-ca` is ORTHANC_MIRROR_SOURCE_CA) and its
 * line of help follow. A flag wins over the environment, the environment over the configuration file, the file over
 * the default: commander resolves the first two, an option that is given by neither is `undefined`.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import { reasonOf } from './next-steps.ts';

/** An option with a value: `valueOption('--source-ca <file>', 'certificate authority of the source')`. */
export function valueOption(flags: string, description: string): Option {
  return withEnvironment(new Option(flags, description));
}

/** A switch. Its variable switches it on unless it is empty, `0`, `false` or `no`. */
export function switchOption(flags: string, description: string): Option {
  const option = withEnvironment(new Option(flags, description));
  // Commander takes any presence of the variable for on.
  const { envVar } = option;
  if (envVar !== undefined && isOff(process.env[envVar])) delete process.env[envVar];
  return option;
}

/** The values of a command as its schema knows them. Throws `configuration` naming each option that is wrong. */
export function optionsOf<Schema extends z.ZodType>(schema: Schema, values: unknown): z.output<Schema> {
  const read = schema.safeParse(values);
  if (read.success) return read.data;
  const problems = read.error.issues.map(({ path: [name], message }) => `${flagOf(String(name))}: ${message}`);
  throw new MirrorError('configuration', problems.join('; '));
}

/** `deletionGraceHours` as it is typed: `--deletion-grace-hours`. */
function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Options that exclude each other. A flag takes the place of a variable that says the opposite. */
export function excluding(command: Command, ...names: readonly string[]): void {
  const options = command.options.filter((option) => names.includes(option.name()));
  for (const option of options) {
    const others = options.filter((other) => other !== option);
    option.conflicts(others.map((other) => other.attributeName()));
    command.on(`option:${option.name()}`, () => {
      for (const { envVar } of others) if (envVar !== undefined) delete process.env[envVar];
    });
  }
}

/** `--config` of the commands that look at an Orthanc itself; the variable of ours names another file. */
export function orthancConfigOption(description: string): Option {
  return new Option('--config <path>', description).env('ORTHANC_MIRROR_ORTHANC_CONFIG');
}

/** An option whose value is a URL. The value is not repeated in an error: it may hold a secret. */
export function urlOption(flag: string, description: string): Option {
  return valueOption(`${flag} <url>`, description).argParser((text) => {
    if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
    throw new MirrorError('configuration', `${flag} must be a URL that begins with http:// or https://`);
  });
}

/** `--endpoint`, for every place that may be in S3. */
export function endpointOption(
  flag = '--endpoint',
  description = 'address of the S3-compatible store; absent: AWS',
): Option {
  return urlOption(flag, description);
}

/** `--heartbeat`, for a dead man's switch. */
export function heartbeatOption(): Option {
  return urlOption('--heartbeat', 'address that is called after each complete success, for an alarm when it is not');
}

/** Keeps the text of an option that `parse` takes, and says by the name of the option what it throws; for `argParser`. */
export function checked(parse: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      parse(text);
      return text;
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      const reason = reasonOf(error);
      throw new InvalidArgumentError(`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
    }
  };
}

/** `--other-storage`, which may be given several times: where an index may name files beside its own storage. */
export function otherStorageOption(): Option {
  const description = 'further folder that files of the index lie in (advanced-storage plugin); may be repeated';
  return valueOption('--other-storage <folder>', description).argParser(
    (folder: string, before: readonly string[] | undefined) => [...(before ?? []), folder],
  );
}

/** `--json`, which every command has. */
export function jsonOption(): Option {
  return switchOption('--json', 'print the result as JSON');
}

/** Parses a whole number of at least `minimum`; for `argParser`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${minimum}.`);
    }
    return value;
  };
}

/** Parses a number of at least `minimum`, and at most `maximum`; for `argParser`. */
export function numberBetween(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isFinite(value) && value >= minimum && value <= maximum) return value;
    const most = Number.isFinite(maximum) ? ` and at most ${maximum}` : '';
    throw new InvalidArgumentError(`It must be a number of at least ${minimum}${most}.`);
  };
}

function withEnvironment(option: Option): Option {
  return option.env(`ORTHANC_MIRROR_${option.name().toUpperCase().replaceAll('-', '_')}`);
}

function isOff(value: string | undefined): boolean {
  return value !== undefined && ['', '0', 'false', 'no'].includes(value.toLowerCase());
}
