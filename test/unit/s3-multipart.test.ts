/** Uploads in parts: all of it or nothing, and nothing is left behind. The storage answers as each test says. */
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { uploadInParts } from '../../core/stores/archive/s3-multipart.ts';
import { S3Requests } from '../../core/stores/archive/s3-requests.ts';

type Command = 'CreateMultipartUpload' | 'UploadPart' | 'CompleteMultipartUpload' | 'AbortMultipartUpload';
/** What the storage answers to a command, the n-th part counted from 1; throws what it refuses. */
type Storage = (command: Command, input: Readonly<Record<string, unknown>>) => Promise<object>;

const confirmed: Storage = async (command) => {
  switch (command) {
    case 'CreateMultipartUpload':
      return { UploadId: 'upload' };
    case 'UploadPart':
      return { ETag: '"part"' };
    default:
      return {};
  }
};

function refusal(status: number): Error {
  return Object.assign(new Error('refused'), { name: 'Refused', $metadata: { httpStatusCode: status } });
}

/** A part is not smaller than this. */
const partBytes = 1024 * 1024;
const unitBytes = partBytes / 4;

/** Each character stands for a quarter of a part. */
async function* chunks(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.concat(Array.from(text, (one) => Buffer.alloc(unitBytes, one)));
}

function textOf(body: unknown): string {
  const bytes = body as Uint8Array;
  const at = Array.from({ length: Math.ceil(bytes.length / unitBytes) }, (_, n) => bytes[n * unitBytes] ?? 0);
  return Buffer.from(at).toString();
}

function setUp(storage: Storage = confirmed) {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const requests = new S3Requests('s3://archive/', { endpoint: 'http://127.0.0.1:9', credentials });
  onTestFinished(() => requests.client.destroy());
  const asked: string[] = [];
  requests.client.middlewareStack.add(
    (_next, context) => async (args) => {
      const command = String(context.commandName).replace(/Command$/, '') as Command;
      asked.push(command);
      const input = args.input as Readonly<Record<string, unknown>>;
      return { output: { ...(await storage(command, input)), $metadata: {} }, response: {} };
    },
    { step: 'initialize', priority: 'high' },
  );
  const upload = (body: AsyncIterable<Uint8Array>, options: { supersedes?: boolean; signal?: AbortSignal } = {}) =>
    uploadInParts({ requests, bucket: 'archive', key: 'key' }, body, {
      sizeBytes: 10 * unitBytes,
      partBytes,
      contentType: 'application/dicom',
      signal: undefined,
      ...options,
    });
  return { asked, upload };
}

test('parts are filled whatever the chunks are, numbered, and completed unless there is an object', async () => {
  const parts: unknown[] = [];
  let completed: unknown;
  let created: unknown;
  const { asked, upload } = setUp(async (command, input) => {
    if (command === 'UploadPart') parts.push([input.PartNumber, textOf(input.Body)]);
    if (command === 'CompleteMultipartUpload') completed = input;
    if (command === 'CreateMultipartUpload') created = input;
    return confirmed(command, input);
  });
  expect(await upload(chunks('0', '123456', '789'))).toBe('created');
  expect(created).toEqual({ Bucket: 'archive', Key: 'key', ContentType: 'application/dicom' });
  expect(parts).toEqual([
    [1, '0123'],
    [2, '4567'],
    [3, '89'],
  ]);
  const etag = (PartNumber: number) => ({ PartNumber, ETag: '"part"' });
  expect(completed).toMatchObject({
    UploadId: 'upload',
    IfNoneMatch: '*',
    MultipartUpload: { Parts: [1, 2, 3].map(etag) },
  });
  expect(asked).not.toContain('AbortMultipartUpload');
});

test('one that supersedes completes whatever is there', async () => {
  let completed: Readonly<Record<string, unknown>> = {};
  const { upload } = setUp(async (command, input) => {
    if (command === 'CompleteMultipartUpload') completed = input;
    return confirmed(command, input);
  });
  expect(await upload(chunks('0123456789'), { supersedes: true })).toBe('created');
  expect(completed).not.toHaveProperty('IfNoneMatch');
});

test.each([
  [412, 'exists'],
  [404, 'exists'],
  [409, 'conflict'],
])('a completion that is answered with %i says that it %s, and leaves no parts', async (status, outcome) => {
  const { asked, upload } = setUp(async (command, input) => {
    if (command === 'CompleteMultipartUpload') throw refusal(status);
    return confirmed(command, input);
  });
  expect(await upload(chunks('0123456789'))).toBe(outcome);
  expect(asked.at(-1)).toBe('AbortMultipartUpload');
});

test('a completion that is refused for another reason fails, and leaves no parts', async () => {
  const { asked, upload } = setUp(async (command, input) => {
    if (command === 'CompleteMultipartUpload') throw refusal(403);
    return confirmed(command, input);
  });
  await expect(upload(chunks('0123456789'))).rejects.toBeInstanceOf(MirrorError);
  expect(asked.at(-1)).toBe('AbortMultipartUpload');
});

test('a part that is not confirmed is no part', async () => {
  const { asked, upload } = setUp(async (command, input) =>
    command === 'UploadPart' && input.PartNumber === 2 ? {} : confirmed(command, input),
  );
  await expect(upload(chunks('0123456789'))).rejects.toMatchObject({ code: 'answer-malformed' });
  expect(asked).not.toContain('CompleteMultipartUpload');
  expect(asked.at(-1)).toBe('AbortMultipartUpload');
});

test('a body that breaks off completes nothing, and its error is told as it is', async () => {
  const { asked, upload } = setUp();
  const broken = new MirrorError('body-short', 'the source broke off');
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* chunks('0123456');
    throw broken;
  }
  await expect(upload(body())).rejects.toBe(broken);
  expect(asked).not.toContain('CompleteMultipartUpload');
  expect(asked.at(-1)).toBe('AbortMultipartUpload');
});

test('an upload is given up only after all its parts have ended: one that came later would stay', async () => {
  const part = Promise.withResolvers<void>();
  const ended: string[] = [];
  const { asked, upload } = setUp(async (command, input) => {
    if (command === 'UploadPart') await part.promise.then(() => ended.push('part'));
    if (command === 'AbortMultipartUpload') ended.push('abort');
    return confirmed(command, input);
  });
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* chunks('0123456');
    throw new MirrorError('body-short', 'the source broke off');
  }
  const failing = expect(upload(body())).rejects.toMatchObject({ code: 'body-short' });
  await vi.waitUntil(() => asked.includes('UploadPart'));
  // Long enough for an upload that does not wait to be given up.
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
  part.resolve();
  await failing;
  expect(ended).toEqual(['part', 'abort']);
});

test('an upload that the caller gives up completes nothing, and leaves no parts', async () => {
  const stop = new AbortController();
  const { asked, upload } = setUp(async (command, input) => {
    if (command === 'UploadPart') stop.abort();
    return confirmed(command, input);
  });
  const given = upload(chunks('0123456789'), { signal: stop.signal });
  await expect(given).rejects.toMatchObject({ code: 'interrupted' });
  expect([asked.includes('CompleteMultipartUpload'), asked.at(-1)]).toEqual([false, 'AbortMultipartUpload']);
});

test('an upload whose abortion fails tells why it was given up', async () => {
  const { upload } = setUp(async (command, input) => {
    if (command === 'UploadPart') throw refusal(507);
    if (command === 'AbortMultipartUpload') throw refusal(500);
    return confirmed(command, input);
  });
  await expect(upload(chunks('0123456789'))).rejects.toBeInstanceOf(MirrorError);
});

test('only two parts are on their way while the next one is filled', async () => {
  let [running, most] = [0, 0];
  const { upload } = setUp(async (command, input) => {
    if (command !== 'UploadPart') return confirmed(command, input);
    running += 1;
    most = Math.max(most, running);
    await setImmediate();
    running -= 1;
    return confirmed(command, input);
  });
  await upload(chunks('0123456789abcdefghijklmnopqrst'));
  expect(most).toBe(2);
});
