/** Texts of DICOM as people read them. */

/** `DOE^JANE^^DR` as `DOE, JANE DR`. */
export function formatName(name: string | undefined): string {
  const [family = '', ...others] = (name ?? '').split('=')[0]?.split('^') ?? [];
  const given = others.filter((part) => part !== '').join(' ');
  return given === '' ? family : `${family}, ${given}`;
}

/** `20261121` as `2026-11-21`. */
export function formatDate(date: string | undefined): string {
  return (date ?? '').replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3');
}

/** `101530.25` as `10:15`. */
export function formatTime(time: string | undefined): string {
  return (time ?? '').replace(/^(\d\d)(\d\d).*$/, '$1:$2');
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** A moment in UTC, to the second. */
export function formatMoment(moment: string): string {
  return `${new Date(moment).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
