/** What a header says of an image and how it is shown (PS3.3, C.7.6.3, C.11.1, C.11.2). Runs in the browser as well. */
import type { JsonDataSet, JsonValue } from '../../dicom/json-model.ts';
import { isPersonName } from '../../dicom/json-model.ts';

export interface ImageDescription {
  readonly transferSyntax: string;
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly isSigned: boolean;
  /** Colours plane by plane, where they are not compressed. */
  readonly isPlanar: boolean;
  readonly isFloat: boolean;
  readonly photometric: string;
  /** From what is stored to what is meant, such as Hounsfield units. */
  readonly slope: number;
  readonly intercept: number;
  /** The window that the file proposes. */
  readonly window: Window | undefined;
  /** Value that stands for no pixel at all. */
  readonly padding: number | undefined;
  /** Of the palette: how many entries, the first value, bits per entry. */
  readonly palette: readonly [number, number, number] | undefined;
}

/** Which values are shown between black and white. */
export interface Window {
  readonly center: number;
  readonly width: number;
}

const tags = {
  samples: '00280002',
  photometric: '00280004',
  planar: '00280006',
  rows: '00280010',
  columns: '00280011',
  bitsAllocated: '00280100',
  bitsStored: '00280101',
  representation: '00280103',
  padding: '00280120',
  center: '00281050',
  width: '00281051',
  intercept: '00281052',
  slope: '00281053',
  palette: '00281101',
  sharedGroups: '52009229',
  frameGroups: '52009230',
  window: '00289132',
  transformation: '00289145',
  floatPixels: '7FE00008',
  doublePixels: '7FE00009',
} as const;

/** Reads the description of a frame, counted from 1. @returns `undefined` if the header describes no image. */
export function describeImage(json: JsonDataSet, transferSyntax: string, frame = 1): ImageDescription | undefined {
  const [rows, columns] = [numberAt(json, tags.rows), numberAt(json, tags.columns)];
  if (rows === undefined || columns === undefined || rows < 1 || columns < 1) return undefined;
  const isDouble = json[tags.doublePixels] !== undefined;
  const isFloat = isDouble || json[tags.floatPixels] !== undefined;
  const bitsAllocated = isFloat ? (isDouble ? 64 : 32) : (numberAt(json, tags.bitsAllocated) ?? 16);
  const transformation = groupOf(json, tags.transformation, frame);
  const windowOf = groupOf(json, tags.window, frame);
  const [center, width] = [numberAt(windowOf, tags.center), numberAt(windowOf, tags.width)];
  const palette = [0, 1, 2].map((index) => numberAt(json, tags.palette, index));
  const [entries, first, bits] = palette;
  return {
    transferSyntax,
    rows,
    columns,
    samples: numberAt(json, tags.samples) ?? 1,
    bitsAllocated,
    bitsStored: isFloat ? bitsAllocated : (numberAt(json, tags.bitsStored) ?? bitsAllocated),
    isSigned: numberAt(json, tags.representation) === 1,
    isPlanar: numberAt(json, tags.planar) === 1,
    isFloat,
    photometric: textAt(json, tags.photometric) ?? 'MONOCHROME2',
    slope: numberAt(transformation, tags.slope) || 1,
    intercept: numberAt(transformation, tags.intercept) ?? 0,
    window: center === undefined || width === undefined || width < 1 ? undefined : { center, width },
    padding: numberAt(json, tags.padding),
    palette:
      entries === undefined || first === undefined || bits === undefined
        ? undefined
        : [entries === 0 ? 65_536 : entries, first, bits],
  };
}

/** A functional group: of the frame, of all frames, or the top level of an image that has no such groups. */
function groupOf(json: JsonDataSet, group: string, frame: number): JsonDataSet {
  const ofFrame = itemAt(json[tags.frameGroups]?.Value?.[frame - 1])?.[group];
  const shared = itemAt(json[tags.sharedGroups]?.Value?.[0])?.[group];
  return itemAt((ofFrame ?? shared)?.Value?.[0]) ?? json;
}

function itemAt(value: JsonValue | undefined): JsonDataSet | undefined {
  if (typeof value !== 'object' || value === null || isPersonName(value)) return undefined;
  return value;
}

function numberAt(json: JsonDataSet, tag: string, index = 0): number | undefined {
  const value = json[tag]?.Value?.[index];
  const number = typeof value === 'number' ? value : typeof value === 'string' ? Number.parseFloat(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

function textAt(json: JsonDataSet, tag: string): string | undefined {
  const value = json[tag]?.Value?.[0];
  return typeof value === 'string' ? value.trim() : undefined;
}
