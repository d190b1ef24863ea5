/** One request and what is answered to it. */
import type { IncomingMessage } from 'node:http';
import type { Bucket } from './bucket.ts';

/** An object that was just created, as S3's event notifications tell of it. */
export interface ObjectCreated {
  readonly bucket: string;
  readonly key: string;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly versionId: string | undefined;
  readonly eventName: 'ObjectCreated:Put' | 'ObjectCreated:Copy' | 'ObjectCreated:CompleteMultipartUpload';
}

/** A request about a bucket that exists. */
export interface BucketCall {
  readonly request: IncomingMessage;
  readonly bucket: Bucket;
  readonly query: URLSearchParams;
  /** Finds another bucket, for copies. Throws `NoSuchBucket`. */
  readonly bucketNamed: (name: string) => Bucket;
  /** By which what is cold thaws. */
  readonly now: () => Date;
  readonly onObjectCreated: (event: ObjectCreated) => void;
}

/** A request about an object. */
export interface ObjectCall extends BucketCall {
  readonly key: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A whole text, or bytes of which the header tells the length. */
  readonly body?: string | AsyncIterable<Uint8Array>;
}

/** @returns an answer with an XML document. */
export function xmlAnswer(xml: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body: xml };
}
