/**
 * A value of metadata. Orthanc keeps bytes and asks nothing of them; most are UTF-8, but what an older script wrote in
 * Latin-1 is not. In a document a value that is UTF-8 is a text, and any other `{ "base64": "…" }`: each value has
 * exactly one form, so that equal values are equal sidecars.
 */
import * as z from 'zod';

const bytesSchema = z.strictObject({
  base64: z.string().refine((text) => {
    const bytes = Buffer.from(text, 'base64');
    return bytes.toString('base64') === text && utf8Of(bytes) === undefined;
  }),
});

export const metadataValueSchema = z.union([z.string().refine((text) => text.isWellFormed()), bytesSchema]);
export type MetadataValue = z.infer<typeof metadataValueSchema>;

// A byte order mark at the beginning belongs to the value.
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The value that these bytes are. */
export function metadataValueOf(bytes: Uint8Array): MetadataValue {
  return utf8Of(bytes) ?? { base64: Buffer.from(bytes).toString('base64') };
}

/** The bytes of a value. */
export function bytesOf(value: MetadataValue): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value.base64, 'base64');
}

/** @returns whether two values have the same bytes. */
export function isSameValue(a: MetadataValue, b: MetadataValue): boolean {
  return typeof a === 'string' || typeof b === 'string' ? a === b : a.base64 === b.base64;
}

/**
 * @returns whether a text that a server lists may stand for other bytes: Orthanc (seen on 1.10.1, 1.12.7 and 1.13.0)
 * writes U+FFFD into JSON for what is not UTF-8, and some character beyond U+FFFF for what lies beyond Unicode. The
 * single value, asked for by itself, is told byte by byte.
 */
export function mayHideBytes(listed: string): boolean {
  return /[\ufffd\ud800-\udfff]/.test(listed);
}

function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
