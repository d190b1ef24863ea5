/** A refusal as S3 words it. */

/** Thrown by whatever handles a request; answered as S3's error document. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly status: number;
  /** S3's `Code`, such as `NoSuchKey`. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message = code, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}
