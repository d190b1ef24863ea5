/** Dumps of MySQL without the users who made their triggers and procedures. */

/** The longest beginning of a line that is looked at. */
const headBytes = 512;
const lineEnd = 0x0a;

/**
 * Leaves out the `DEFINER` of triggers and procedures, so that they belong to whoever restores them: naming somebody
 * else needs a right that Orthanc's user has not, and if that user does not exist, every change of the index fails.
 * They stand on lines of their own; rows are on lines that begin otherwise, with line feeds escaped.
 */
export async function* withoutDefiners(dump: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // What was not passed on yet: the beginning of a line. `undefined`: in the middle of a long one.
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of dump) {
    const out: Uint8Array[] = [];
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) {
      const end = rest.indexOf(lineEnd) + 1;
      const part = end === 0 ? rest : rest.subarray(0, end);
      rest = rest.subarray(part.length);
      if (head === undefined) {
        out.push(part);
      } else {
        head = Buffer.concat([head, part]);
        if (end > 0 || head.length >= headBytes) {
          out.push(withoutDefiner(head));
          head = undefined;
        }
      }
      if (end > 0) head = Buffer.alloc(0);
    }
    if (out.length > 0) yield Buffer.concat(out);
  }
  if (head !== undefined && head.length > 0) yield withoutDefiner(head);
}

/** Names are quoted by backticks, which are doubled inside. */
const user = '`(?:[^`]|``)*`@`(?:[^`]|``)*`';
const definers = [
  new RegExp(`^(/\\*!50003 CREATE\\*/ )/\\*!50017 DEFINER=${user}\\*/ `),
  new RegExp(`^(CREATE )DEFINER=${user} (?=PROCEDURE|FUNCTION)`),
];

function withoutDefiner(line: Buffer): Buffer {
  // One byte is one character: whatever the encoding of the rest, it stays as it is.
  const text = line.subarray(0, headBytes).toString('latin1');
  const pattern = definers.find((definer) => definer.test(text));
  if (pattern === undefined) return line;
  return Buffer.concat([Buffer.from(text.replace(pattern, '$1'), 'latin1'), line.subarray(headBytes)]);
}
