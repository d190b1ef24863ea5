/**
 * Two stores of any number of instances that exist only as answers: a server that lists like Orthanc 1.13, and a
 * bucket. For measuring comparisons of a million instances; run as a process of its own, so that the memory of the
 * comparison is measured alone. Prints its ports as JSON, then serves until it is killed.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const count = Number(process.argv[2] ?? '1000');
/** Every so many ids one instance is missing in the bucket. */
const missingEvery = Number(process.argv[3] ?? '0');
const sizeBytes = 524_288;

/** The n-th id in ascending order; ids are spread evenly, as hashes are. */
function idOf(n: number): string {
  const spread = Math.floor((n * 2 ** 32) / count);
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  return [spread, n, n ^ 0x5555_5555, n, n].map((part) => hex(part >>> 0)).join('-');
}

function md5Of(n: number): string {
  return n.toString(16).padStart(32, '0');
}

const system = {
  ApiVersion: 31,
  Version: '1.13.0',
  DatabaseVersion: 6,
  Name: 'SIMULATED',
  DatabaseServerIdentifier: 'simulated',
  OverwriteInstances: false,
  OverwriteInstancesMode: 'Never',
  StoreMD5ForAttachments: true,
  IngestTranscoding: '',
  HasLabels: true,
  ReadOnly: false,
  Capabilities: { HasExtendedChanges: true, HasExtendedFind: true },
};

const requests = { orthanc: 0, s3: 0 };

function answerOrthanc(request: IncomingMessage, response: ServerResponse): void {
  requests.orthanc += 1;
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/system') answerJson(response, system);
  else if (url.pathname === '/statistics') answerJson(response, { CountInstances: count });
  else if (url.pathname === '/instances') answerJson(response, listed(url));
  else answerJson(response, {}, 404);
}

function listed(url: URL): unknown[] {
  const since = Number(url.searchParams.get('since'));
  const limit = Number(url.searchParams.get('limit'));
  const rows: unknown[] = [];
  for (let n = since; n < Math.min(count, since + limit); n += 1) {
    const attachment = { ContentType: 1, Uuid: 'u', UncompressedMD5: md5Of(n), UncompressedSize: `${sizeBytes}` };
    rows.push({
      ID: idOf(n),
      Type: 'Instance',
      Attachments: [{ ...attachment, CompressedMD5: md5Of(n), CompressedSize: `${sizeBytes}` }],
    });
  }
  return rows;
}

function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  const text = JSON.stringify(value);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    etag: '"simulated"',
    'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT',
  });
  response.end(text);
}

function keyOf(n: number): string {
  return `archive/instances/${idOf(n)}/${md5Of(n)}.dcm`;
}

/** The index of the first key above `after`. */
function firstAfter(after: string): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1;
    if (keyOf(middle) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

function answerS3(request: IncomingMessage, response: ServerResponse): void {
  requests.s3 += 1;
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.searchParams.get('list-type') === '2') answerListing(url, response);
  else answerManifest(response, url.pathname);
}

function answerListing(url: URL, response: ServerResponse): void {
  const after = url.searchParams.get('continuation-token') ?? url.searchParams.get('start-after') ?? '';
  const limit = Number(url.searchParams.get('max-keys') ?? '1000');
  const contents: string[] = [];
  // Each instance has one version and was never gone: there is no record of any.
  let n = url.searchParams.get('prefix') === 'archive/instances/' ? firstAfter(after) : count;
  for (; n < count && contents.length < limit; n += 1) {
    if (missingEvery > 0 && n % missingEvery === 0) continue;
    contents.push(
      `<Contents><Key>${keyOf(n)}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified>` +
        `<ETag>&quot;${md5Of(n)}&quot;</ETag><Size>${sizeBytes}</Size></Contents>`,
    );
  }
  const next = n < count ? `<NextContinuationToken>${keyOf(n - 1)}</NextContinuationToken>` : '';
  const body =
    `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>${contents.length}</KeyCount>` +
    `<IsTruncated>${n < count}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`;
  response.writeHead(200, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function answerManifest(response: ServerResponse, path: string): void {
  if (!path.endsWith('/archive.json')) {
    response.writeHead(404).end();
    return;
  }
  answerJson(response, {
    format: 'orthanc-mirror-archive',
    version: 1,
    createdAt: '2026-11-21T00:00:00.000Z',
    source: { name: 'simulated' },
  });
}

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  const server: Server = createServer((request, response) => {
    request.resume();
    answer(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

const [orthanc, s3] = [await listen(answerOrthanc), await listen(answerS3)];
process.stdout.write(`${JSON.stringify({ orthanc, s3 })}\n`);
process.on('SIGUSR2', () => process.stdout.write(`${JSON.stringify(requests)}\n`));
