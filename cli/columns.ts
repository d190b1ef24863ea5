/** Tables for people: on a terminal as wide as that is, in a pipe or file as wide as their columns. */

export interface Column {
  readonly head: string;
  /** As wide as most cells are. Absent, of the last one: each cell is as long as its text. */
  readonly width?: number;
  /** How narrow it may become where the terminal is; 0: it may be left out. Absent: it stays as it is, as ids do. */
  readonly least?: number;
  /** Numbers stand to the right. */
  readonly right?: boolean;
}

const between = '  ';
const fewestCharacters = 8;

/** Its lines are made one by one: what is listed may not fit into memory. */
export class Table {
  readonly #columns: readonly Column[];
  /** 0: left out; `undefined`: as long as the text. */
  readonly #widths: readonly (number | undefined)[];
  readonly #isCut: boolean;

  /** @param screen columns of the terminal; `undefined`: there is none */
  constructor(columns: readonly Column[], screen: number | undefined) {
    this.#columns = columns;
    this.#isCut = screen !== undefined;
    this.#widths = widthsFor(columns, screen ?? Number.POSITIVE_INFINITY);
  }

  head(): string {
    return this.row(this.#columns.map(({ head }) => head));
  }

  /** A cell that is too long is cut on a terminal, and with it nothing else: everywhere else it is whole. */
  row(cells: readonly string[]): string {
    return this.#columns
      .flatMap(({ right = false }, index) => {
        const width = this.#widths[index];
        const whole = printable(cells[index] ?? '');
        if (width === undefined) return [whole];
        if (width === 0) return [];
        const text = this.#cut(whole, width);
        return [right ? text.padStart(width) : text.padEnd(width)];
      })
      .join(between)
      .trimEnd();
  }

  #cut(text: string, width: number): string {
    return this.#isCut && text.length > width ? `${text.slice(0, width - 1)}…` : text;
  }
}

/** What is too much is taken from the columns on the right first. */
function widthsFor(columns: readonly Column[], screen: number): readonly (number | undefined)[] {
  const widths = columns.map(({ width }) => width);
  for (const [index, { width, least = width, right = false }] of [...columns.entries()].toReversed()) {
    if (width === undefined || least === undefined) continue;
    const used = widths.filter((each) => each !== undefined && each > 0);
    const excess = used.reduce((sum: number, each = 0) => sum + each, between.length * (used.length - 1)) - screen;
    if (excess <= 0) break;
    const narrower = Math.max(width - excess, least);
    // Numbers are whole or left out, and so is what would be too narrow to be read.
    widths[index] = least === 0 && (right || narrower < fewestCharacters) ? 0 : narrower;
  }
  return widths;
}

/** A DICOM text may hold anything, also what a terminal takes for a command. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
