/** Lines of columns for people. */

/** Pads every cell but the last to its width. Control characters in what came from files are shown as `?`. */
export function columns(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => printable(cell).padEnd(widths[index] ?? 0))
    .join('  ')
    .trimEnd();
}

/** A DICOM text may hold anything, also what a terminal takes for a command. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
