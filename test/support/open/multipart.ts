/** Takes answers of several parts apart. */

export interface ReceivedPart {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** Throws if the bytes are not made of parts to their very end. */
export function partsOf(contentType: string, bytes: Buffer): readonly ReceivedPart[] {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw new Error(`no parts: ${contentType}`);
  const parts: ReceivedPart[] = [];
  let at = bytes.indexOf(`--${boundary}`);
  for (;;) {
    at += boundary.length + 2;
    if (bytes.toString('latin1', at, at + 2) === '--') return parts;
    const body = bytes.indexOf('\r\n\r\n', at);
    const next = bytes.indexOf(`\r\n--${boundary}`, body);
    if (body === -1 || next === -1) throw new Error('the parts have no end');
    const lines = bytes.toString('latin1', at, body).trim().split('\r\n');
    const headers = lines.map((line) => [line.split(':')[0]?.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
    parts.push({ headers: Object.fromEntries(headers), bytes: bytes.subarray(body + 4, next) });
    at = next + 2;
  }
}
