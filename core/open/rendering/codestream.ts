/** The size of a compressed image as it says itself, read before it is decoded: a codec believes it and takes memory. */

export interface CodestreamSize {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly bits: number;
}

/** Markers that have no length behind them. */
const standaloneMarkers = new Set([0xd8, 0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7]);

/** @returns the size of a JPEG, JPEG-LS or JPEG 2000 image; `undefined` if these bytes are none of them. */
export function codestreamSize(bytes: Uint8Array): CodestreamSize | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 4) return undefined;
  if (view.getUint16(0) === 0xff4f) return jpeg2000Size(view, 0);
  if (view.getUint16(0) === 0xffd8) return jpegSize(view);
  // In a file of its own (JP2), which some writers put into DICOM, the image follows boxes.
  const start = findStart(bytes);
  return start === undefined ? undefined : jpeg2000Size(view, start);
}

function findStart(bytes: Uint8Array): number | undefined {
  if (String.fromCharCode(...bytes.subarray(4, 8)) !== 'jP  ') return undefined;
  for (let at = 8; at + 4 <= Math.min(bytes.length, 4096); at += 1) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0x4f && bytes[at + 2] === 0xff && bytes[at + 3] === 0x51) return at;
  }
  return undefined;
}

/** SIZ follows SOC at once (ISO 15444-1, A.5.1). */
function jpeg2000Size(view: DataView, at: number): CodestreamSize | undefined {
  if (view.byteLength < at + 43 || view.getUint16(at + 2) !== 0xff51) return undefined;
  return {
    columns: view.getUint32(at + 8) - view.getUint32(at + 16),
    rows: view.getUint32(at + 12) - view.getUint32(at + 20),
    components: view.getUint16(at + 40),
    bits: (view.getUint8(at + 42) & 0x7f) + 1,
  };
}

/** The frame header, SOF or that of JPEG-LS, stands behind tables of any number. */
function jpegSize(view: DataView): CodestreamSize | undefined {
  let at = 0;
  while (at + 4 <= view.byteLength) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    else if (standaloneMarkers.has(marker)) at += 2;
    else if (isFrameHeader(marker)) return frameHeader(view, at);
    else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

function isFrameHeader(marker: number): boolean {
  return marker === 0xf7 || (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker));
}

function frameHeader(view: DataView, at: number): CodestreamSize | undefined {
  if (at + 10 > view.byteLength) return undefined;
  return {
    bits: view.getUint8(at + 4),
    rows: view.getUint16(at + 5),
    columns: view.getUint16(at + 7),
    components: view.getUint8(at + 9),
  };
}
