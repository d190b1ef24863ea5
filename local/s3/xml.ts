/** XML of S3's requests and answers. */
import { XMLBuilder, XMLParser } from 'fast-xml-parser';
import type { z } from 'zod';
import { Failure } from './failure.ts';

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
const builder = new XMLBuilder({ ignoreAttributes: false, suppressEmptyNode: true });

/** @returns a document with one root; arrays become repeated elements, `undefined` none. */
export function toXml(root: string, content: Readonly<Record<string, unknown>>): string {
  const present = Object.entries(content).filter(([, value]) => value !== undefined);
  const body = { [root]: { '@_xmlns': namespace, ...Object.fromEntries(present) } };
  return `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(body)}`;
}

/** Parses the content of a document's root. All values are text. Throws `MalformedXML` if it does not fit the schema. */
export function fromXml<T>(text: string, root: string, schema: z.ZodType<T>, repeated: readonly string[] = []): T {
  const parser = new XMLParser({
    parseTagValue: false,
    removeNSPrefix: true,
    isArray: (name) => repeated.includes(name),
  });
  let parsed: Record<string, unknown>;
  try {
    parsed = parser.parse(text);
  } catch (error) {
    throw new Failure(400, 'MalformedXML', String(error));
  }
  const content = schema.safeParse(parsed[root]);
  if (!content.success) {
    throw new Failure(400, 'MalformedXML', content.error.message);
  }
  return content.data;
}
