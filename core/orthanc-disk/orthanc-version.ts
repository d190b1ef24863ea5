/** Version numbers of Orthanc and of its plugins: reading and ordering them. */

/** A version in numbers, e.g. `[1, 12, 7]`; `mainline`, built from the newest source, is later than every release. */
export type SoftwareVersion = readonly number[] | 'mainline';

/** Reads `1.12.7`, `10.3`, `mainline` or `mainline-commit`. @returns `undefined` if `text` is no version. */
export function parseVersion(text: string): SoftwareVersion | undefined {
  if (text.startsWith('mainline')) return 'mainline';
  const match = /^\d+(?:\.\d+){0,3}(?![\d.])/.exec(text.trim());
  return match === null ? undefined : match[0].split('.').map(Number);
}

/** Reads a version that is written in this program. @throws RangeError if it is none: a defect. */
export function version(text: string): SoftwareVersion {
  const parsed = parseVersion(text);
  if (parsed === undefined) throw new RangeError(`"${text}" is no version`);
  return parsed;
}

/** Orders versions: negative if `left` is earlier, 0 if they are equal (1.12 equals 1.12.0), positive if later. */
export function compareVersions(left: SoftwareVersion, right: SoftwareVersion): number {
  if (left === 'mainline' || right === 'mainline') return Number(left === 'mainline') - Number(right === 'mainline');
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export function isBefore(left: SoftwareVersion, right: SoftwareVersion): boolean {
  return compareVersions(left, right) < 0;
}

/** Writes a version as Orthanc does. */
export function formatVersion(value: SoftwareVersion): string {
  return value === 'mainline' ? value : value.join('.');
}
