/** What every call takes that waits for somebody: the signal that ends it. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}
