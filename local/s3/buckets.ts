/** All buckets of a server. */
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket } from './bucket.ts';
import { Failure } from './failure.ts';

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export class Buckets {
  readonly #folder: string;
  readonly #buckets = new Map<string, Bucket>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens a folder with the buckets that an earlier server left there. */
  static async open(folder: string): Promise<Buckets> {
    await mkdir(folder, { recursive: true });
    const buckets = new Buckets(folder);
    for (const name of await readdir(folder)) {
      const isBucket = await stat(join(folder, name, 'bucket.json')).then(
        () => true,
        () => false,
      );
      if (isBucket) {
        buckets.#buckets.set(name, await Bucket.load(join(folder, name)));
      }
    }
    return buckets;
  }

  get all(): readonly Bucket[] {
    return [...this.#buckets.values()];
  }

  /** Throws `NoSuchBucket`. */
  named(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      throw new Failure(404, 'NoSuchBucket', 'The specified bucket does not exist');
    }
    return bucket;
  }

  /** Object lock needs versions, and therefore switches them on. */
  async create(name: string, hasObjectLock: boolean): Promise<void> {
    if (!bucketName.test(name)) {
      throw new Failure(400, 'InvalidBucketName');
    }
    if (this.#buckets.has(name)) {
      throw new Failure(409, 'BucketAlreadyOwnedByYou');
    }
    const createdAt = new Date().toISOString();
    const settings = { name, createdAt, hasObjectLock, ...(hasObjectLock && { versioning: 'Enabled' as const }) };
    this.#buckets.set(name, await Bucket.create(join(this.#folder, name), settings));
  }
}
