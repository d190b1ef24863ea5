/**
 * An option is declared once, as a flag; its environment variable (`--source-ca` is ORTHANC_MIRROR_SOURCE_CA) and its
 * line of help follow. A flag wins over the environment, the environment over the configuration file, the file over
 * the default: commander resolves the first two, an option that is given by neither is `undefined`.
 */
import { InvalidArgumentError, Option } from 'commander';

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
