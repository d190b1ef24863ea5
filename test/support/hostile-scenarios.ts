/** What hostile and broken servers do, each with what it may cost whoever mirrors from them, or to them. */
import { setTimeout as delay } from 'node:timers/promises';
import { readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { type InstanceId, orthancIdOf } from '../../core/identifiers.ts';
import { changeOf, type Exchange, system, type Twist, type World } from './hostile-server.ts';

export interface Scenario {
  readonly name: string;
  readonly twist: Twist;
  /** Which end is hostile; default the source. */
  readonly role?: 'source' | 'target';
  /** Whether it is a server before 1.12.5, which lists all ids at once. */
  readonly old?: boolean;
  /** Instances on the source, 3 by default, and the size of each. */
  readonly instances?: number;
  readonly sizeBytes?: number;
  /** The exit code of a run on an idle machine, and the code of the error that says why. */
  readonly exit: 3 | 5 | 7;
  readonly code: ErrorCode;
  /** Most requests, 80 by default, and most bytes that the server gets rid of, 4 MiB by default. */
  readonly requests?: number;
  readonly bytes?: number;
}

const mebi = 1024 * 1024;

/** A twist of the exchanges of one path only. */
function on(path: string | RegExp, act: (exchange: Exchange, world: World) => void | Promise<void>): Twist {
  return async (exchange, world) => {
    const isMet = typeof path === 'string' ? exchange.path === path : path.test(exchange.path);
    if (isMet) await act(exchange, world);
    return isMet;
  };
}

const data = /\/attachments\/dicom\/data$/;
const info = /\/attachments\/dicom\/info$/;

/** A page of the paged listing; other requests for `/instances` are left alone. */
function onPage(act: (exchange: Exchange, world: World) => void | Promise<void>): Twist {
  return async (exchange, world) => {
    const isMet = exchange.path === '/instances' && exchange.query.has('limit');
    if (isMet) await act(exchange, world);
    return isMet;
  };
}

/** A page of the change feed, and not the question for its end. */
function onFeed(act: (exchange: Exchange, world: World) => void | Promise<void>): Twist {
  return async (exchange, world) => {
    const isMet = exchange.path === '/changes' && exchange.query.has('limit') && !exchange.query.has('type');
    if (isMet) await act(exchange, world);
    return isMet;
  };
}

const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

/** Says something and closes the connection in order. */
async function sayAndClose({ socket }: Exchange, text: string): Promise<void> {
  socket.end(text);
}

/** An id for each number, in the order of numbers. */
function idAt(number: number): InstanceId {
  return `${number.toString(16).padStart(8, '0')}${orthancIdOf('x').slice(8)}` as InstanceId;
}

function rowAt(number: number): Record<string, unknown> {
  const hash = '0'.repeat(32);
  return {
    ID: idAt(number),
    Attachments: [{ ContentType: 1, UncompressedSize: 10, UncompressedMD5: hash, Uuid: 'x' }],
  };
}

function rows(from: number, count: number): unknown[] {
  return Array.from({ length: count }, (_, n) => rowAt(from + n));
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

/** What can be done to any answer, done to the first one. */
const ofConnections: readonly Scenario[] = [
  {
    name: 'closes every connection without a word',
    twist: on(/^/, ({ socket }) => void socket.end()),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'resets every connection',
    twist: on(/^/, ({ socket }) => void socket.resetAndDestroy()),
    exit: 7,
    code: 'unreachable',
  },
  { name: 'never answers', twist: on(/^/, () => undefined), exit: 7, code: 'unreachable' },
  {
    name: 'speaks no HTTP',
    twist: on('/system', (exchange) => sayAndClose(exchange, 'SSH-2.0-OpenSSH_9.6\r\n')),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'sends its status line a letter at a time',
    twist: on('/system', ({ pour }) => pour((n) => 'HTTP/1.1 200 OK '.charAt(n % 16), 50)),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'sends its headers a letter at a time',
    twist: on('/system', async ({ raw, pour }) => {
      raw('HTTP/1.1 200 OK\r\nX-Slow: ');
      await pour('a', 50);
    }),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'sends headers without end',
    twist: on('/system', async ({ raw, pour }) => {
      raw('HTTP/1.1 200 OK\r\n');
      await pour((n) => `X-${n}: ${'y'.repeat(100)}\r\n`.repeat(50));
    }),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'sends a header of a megabyte',
    twist: on('/system', async ({ raw, pour }) => {
      raw('HTTP/1.1 200 OK\r\nX-Long: ');
      await pour('y'.repeat(64 * 1024));
    }),
    exit: 5,
    code: 'server-error',
    bytes: 16 * mebi,
  },
  {
    name: 'floods with 103 Early Hints',
    twist: on('/system', ({ pour }) => pour('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100))),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'sends a 103 now and then, and never an answer',
    twist: on('/system', ({ pour }) => pour('HTTP/1.1 103 Early Hints\r\n\r\n', 60)),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'floods with 100 Continue',
    twist: on('/system', ({ pour }) => pour('HTTP/1.1 100 Continue\r\n\r\n')),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'switches to another protocol',
    twist: on('/system', (exchange) =>
      sayAndClose(exchange, 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'redirects to itself',
    twist: on(/^/, ({ status }) => status(302, { location: '/system' })),
    exit: 7,
    code: 'not-orthanc',
    requests: 1,
  },
  {
    name: 'redirects to the metadata service of a cloud',
    twist: on(/^/, ({ status }) => status(307, { location: 'http://169.254.169.254/latest/meta-data/' })),
    exit: 7,
    code: 'not-orthanc',
    requests: 1,
  },
  {
    name: 'announces more than it sends',
    twist: on('/system', (exchange) => sayAndClose(exchange, `${head}Content-Length: 9999\r\n\r\n{"Version":`)),
    exit: 5,
    code: 'body-short',
  },
  {
    name: 'announces less than it sends',
    twist: on('/system', ({ raw }) => raw(`${head}Content-Length: 10\r\n\r\n${text(system)}`)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'announces a length that no file has',
    twist: on('/system', ({ raw }) => raw(`${head}Content-Length: 18446744073709551615\r\n\r\n{}`)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'announces a negative length',
    twist: on('/system', ({ raw }) => raw(`${head}Content-Length: -1\r\n\r\n{}`)),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'announces two lengths',
    twist: on('/system', ({ raw }) => raw(`${head}Content-Length: 2\r\nContent-Length: 200\r\n\r\n{}`)),
    exit: 5,
    code: 'body-short',
  },
  {
    name: 'announces a length and chunks',
    twist: on('/system', ({ raw }) => raw(`${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`)),
    exit: 5,
    code: 'body-short',
  },
  {
    name: 'names a chunk that is larger than any memory',
    twist: on('/system', ({ raw, socket }) => {
      raw(`${chunked}ffffffffffffff\r\n{"Version":"1.12.7"`);
      socket.end();
    }),
    exit: 5,
    code: 'body-short',
  },
  {
    name: 'sends the extension of a chunk without end',
    twist: on('/system', async ({ raw, pour }) => {
      raw(`${chunked}5;`);
      await pour('x'.repeat(1000), 5);
    }),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'sends trailers without end',
    twist: on('/system', async ({ raw, pour }) => {
      raw(`${chunked}${chunk(text(system))}0\r\n`);
      await pour((n) => `X-${n}: ${'y'.repeat(1000)}\r\n`.repeat(10));
    }),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'answers a byte at a time',
    twist: on('/system', async ({ raw, pour }) => {
      raw(chunked);
      await pour(chunk(' '), 50);
    }),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'answers with white space without end',
    twist: on('/system', async ({ raw, pour }) => {
      raw(chunked);
      await pour(chunk(' '.repeat(256 * 1024)));
    }),
    exit: 7,
    code: 'not-orthanc',
    bytes: 24 * mebi,
  },
  {
    name: 'answers with a text of 20 MB',
    twist: on('/system', ({ json }) => json({ ...system, Version: 'x'.repeat(20 * mebi) })),
    exit: 7,
    code: 'not-orthanc',
    bytes: 24 * mebi,
  },
  {
    name: 'answers with a million levels',
    twist: on('/system', ({ bytes }) => bytes('['.repeat(mebi))),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'answers with a key twice',
    twist: on('/system', ({ bytes }) => bytes(`{"Version":"1.12.7",${text(system).slice(1)}`)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'answers with __proto__',
    twist: on('/system', ({ bytes }) => bytes(`{"__proto__":{"ReadOnly":true},${text(system).slice(1)}`)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'answers with a page of a login',
    twist: on(/^/, ({ bytes }) => bytes('<!doctype html><title>Sign in</title>')),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'answers compressed without being asked to',
    twist: on('/system', ({ bytes }) =>
      bytes(Buffer.from('1f8b0800000000000003abae0500', 'hex'), { 'content-encoding': 'gzip' }),
    ),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'answers with nothing',
    twist: on('/system', ({ status }) => status(204)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'refuses whoever it is',
    twist: on(/^/, ({ status }) => status(401)),
    exit: 7,
    code: 'unauthorized',
  },
  {
    name: 'fails again and again, with an error text without end',
    twist: on(/^/, async ({ raw, pour }) => {
      raw('HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n');
      await pour(chunk('x'.repeat(64 * 1024)));
    }),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'fails with an error text a byte at a time',
    twist: on(/^/, async ({ raw, pour }) => {
      raw('HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n');
      await pour(chunk('x'), 50);
    }),
    exit: 5,
    code: 'server-error',
  },
  {
    name: 'asks to come back in a thousand years',
    twist: on(/^/, ({ status }) => status(503, { 'retry-after': '31536000000' })),
    exit: 5,
    code: 'busy',
    requests: 1,
  },
  {
    name: 'answers with a status that there is not',
    twist: on('/system', (exchange) => sayAndClose(exchange, 'HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n')),
    exit: 5,
    code: 'server-error',
  },
];

/** Listings of a server that lists by pages. */
const ofPages: readonly Scenario[] = [
  {
    name: 'ignores where a page is to begin',
    twist: onPage(({ json }) => json(rows(0, 1001))),
    exit: 7,
    code: 'answer-malformed',
    requests: 3200,
    bytes: 32 * mebi,
  },
  {
    name: 'lists in no order',
    twist: onPage(({ json }) => json(rows(0, 10).toReversed())),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists an id twice',
    twist: onPage(({ json }) => json([rowAt(1), rowAt(1)])),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists without end',
    twist: onPage(({ json, query }) => json(rows(Number(query.get('since')), Number(query.get('limit'))))),
    exit: 7,
    code: 'answer-malformed',
    bytes: 16 * mebi,
    requests: 3200,
  },
  {
    name: 'lists one more each time, without end',
    twist: onPage(({ json, query }) => json(rows(Number(query.get('since')), 2))),
    exit: 7,
    code: 'answer-malformed',
    requests: 300,
  },
  {
    name: 'jumps about in its list',
    twist: onPage(({ json }, { requests }) => json(rows(requests % 2 === 0 ? 0 : 700, 300))),
    exit: 7,
    code: 'answer-malformed',
    requests: 1000,
    bytes: 32 * mebi,
  },
  {
    name: 'lists ids that lead elsewhere',
    twist: onPage(({ json }) => json([{ ...rowAt(1), ID: '../../../etc/passwd' }])),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists ids with a line feed',
    twist: onPage(({ json }) => json([{ ...rowAt(1), ID: `${idAt(1)}\n` }])),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists sizes below zero',
    twist: onPage(({ json }) => json([{ ID: idAt(1), Attachments: [{ ContentType: 1, UncompressedSize: -1 }] }])),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists sizes beyond all numbers',
    twist: onPage(({ bytes }) =>
      bytes(`[{"ID":"${idAt(1)}","Attachments":[{"ContentType":1,"UncompressedSize":1e400}]}]`),
    ),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists 20 MB of wrong items',
    twist: onPage(({ bytes }) => bytes(`[${'{"ID":1,"A":2},'.repeat(1_400_000)}0]`)),
    exit: 7,
    code: 'answer-malformed',
    bytes: 24 * mebi,
  },
  {
    name: 'lists 12 MB of wrong attachments of one instance',
    twist: onPage(({ bytes }) => bytes(`[{"ID":"${idAt(1)}","Attachments":[${'{"a":1},'.repeat(1_500_000)}0]}]`)),
    exit: 7,
    code: 'answer-malformed',
    bytes: 24 * mebi,
  },
  {
    name: 'lists more than 64 MiB in one page',
    twist: onPage(async ({ raw, pour }) => {
      raw(`${chunked}${chunk('[')}`);
      await pour(chunk(`${text(rowAt(1))},`.repeat(4000)));
    }),
    exit: 7,
    code: 'answer-malformed',
    bytes: 80 * mebi,
  },
  {
    name: 'lists a byte at a time',
    twist: onPage(async ({ raw, pour }) => {
      raw(chunked);
      await pour(chunk(' '), 50);
    }),
    exit: 7,
    code: 'unreachable',
  },
  {
    name: 'breaks its list off',
    twist: onPage(({ bytes }) => bytes(text(rows(0, 5)).slice(0, -9))),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'says that there is no list',
    twist: onPage(({ status }) => status(404)),
    exit: 7,
    code: 'not-orthanc',
  },
  {
    name: 'ignores where a page of studies is to begin',
    twist: on('/studies', ({ json }) =>
      json(Array.from({ length: 1000 }, (_, n) => ({ ID: idAt(n), Labels: [], Metadata: {} }))),
    ),
    exit: 7,
    code: 'answer-malformed',
    bytes: 16 * mebi,
    requests: 120,
  },
  {
    name: 'ignores where a page of series is to begin',
    twist: on('/series', ({ json }) =>
      json(Array.from({ length: 100 }, (_, n) => ({ ID: idAt(n), ParentStudy: idAt(n), Labels: [], Metadata: {} }))),
    ),
    exit: 7,
    code: 'answer-malformed',
    requests: 120,
  },
];

/** The list of the ids of its studies, of an old server. */
const ofIdLists: readonly Scenario[] = [
  {
    name: 'lists ids without end',
    old: true,
    twist: on('/studies', async ({ raw, pour }) => {
      raw(`${chunked}${chunk('[')}`);
      await pour((n) => chunk(Array.from({ length: 500 }, (_, m) => `"${idAt(n * 500 + m)}",`).join('')));
    }),
    exit: 7,
    code: 'answer-malformed',
    // A listing is read into memory up to 64 MiB.
    bytes: 68 * mebi,
  },
  {
    name: 'lists the same id without end',
    old: true,
    twist: on('/studies', async ({ raw, pour }) => {
      raw(`${chunked}${chunk('[')}`);
      await pour(chunk(`"${idAt(1)}",`.repeat(500)));
    }),
    exit: 7,
    code: 'answer-malformed',
    // A listing is read into memory up to 64 MiB.
    bytes: 68 * mebi,
  },
  {
    name: 'fills its list with white space',
    old: true,
    twist: on('/studies', async ({ raw, pour }) => {
      raw(`${chunked}${chunk('[')}`);
      await pour(chunk(' \n'.repeat(8192)));
    }),
    exit: 7,
    code: 'answer-malformed',
    // A listing is read into memory up to 64 MiB.
    bytes: 68 * mebi,
  },
  {
    name: 'lists a text without end',
    old: true,
    twist: on('/studies', async ({ raw, pour }) => {
      raw(`${chunked}${chunk('["')}`);
      await pour(chunk('a'.repeat(8192)));
    }),
    exit: 7,
    code: 'answer-malformed',
    // A listing is read into memory up to 64 MiB.
    bytes: 68 * mebi,
  },
  {
    name: 'lists lists',
    old: true,
    twist: on('/studies', ({ bytes }) => bytes('['.repeat(mebi))),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'goes on behind its list',
    old: true,
    twist: on('/studies', ({ bytes }) => bytes(`["${idAt(1)}"]["${idAt(2)}"]`)),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'breaks its list of ids off in order',
    old: true,
    twist: on('/studies', ({ bytes }) => bytes(`["${idAt(1)}","${idAt(2)}"`)),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'lists ids a byte at a time',
    old: true,
    twist: on('/studies', async ({ raw, pour }) => {
      raw(`${chunked}${chunk('[')}`);
      await pour(chunk(' '), 50);
    }),
    exit: 7,
    code: 'unreachable',
  },
];

/** The change feed. */
const ofFeeds: readonly Scenario[] = [
  {
    name: 'says that more changes follow and does not move',
    twist: onFeed(({ json, query }) => json({ Changes: [], Done: false, Last: Number(query.get('since')) })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'tells the same changes again and again',
    twist: onFeed(({ json }) => json({ Changes: [changeOf(1, idAt(1))], Done: false, Last: 1 })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'tells changes without end',
    twist: onFeed(({ json, query }) => {
      const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
      const Changes = Array.from({ length: limit }, (_, n) => ({
        ...changeOf(since + n + 1, idAt(n)),
        ChangeType: 'NewSeries',
      }));
      json({ Changes, Done: false, Last: since + limit });
    }),
    exit: 7,
    code: 'answer-malformed',
    bytes: 16 * mebi,
  },
  {
    name: 'tells one change at a time, without end',
    twist: onFeed(({ json, query }) => {
      const seq = Number(query.get('since')) + 1;
      json({ Changes: [{ ...changeOf(seq, idAt(1)), ChangeType: 'NewSeries' }], Done: false, Last: seq });
    }),
    exit: 7,
    code: 'answer-malformed',
    requests: 160,
  },
  {
    name: 'tells changes out of order',
    twist: onFeed(({ json }) => json({ Changes: [changeOf(9, idAt(1)), changeOf(8, idAt(2))], Done: true, Last: 9 })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'tells more changes than were asked for',
    twist: onFeed(({ json }) => {
      const Changes = Array.from({ length: 1001 }, (_, n) => changeOf(n + 1, idAt(1)));
      json({ Changes, Done: true, Last: 1001 });
    }),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'counts its changes below zero',
    twist: onFeed(({ json }) => json({ Changes: [], Done: true, Last: -5 })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'ends its changes before they begin',
    twist: onFeed(({ json }) => json({ Changes: [changeOf(9, idAt(1))], Done: false, Last: 4 })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'tells changes of what there is not',
    twist: onFeed(({ json }) =>
      json({ Changes: [{ ...changeOf(1, idAt(1)), ResourceType: 'Ward' }], Done: true, Last: 1 }),
    ),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'never tells its changes',
    twist: onFeed(() => undefined),
    exit: 7,
    code: 'unreachable',
  },
];

/** Single instances: the others still arrive. */
const ofInstances: readonly Scenario[] = [
  {
    name: 'delivers other bytes than it promises',
    twist: on(data, ({ bytes }, { instances }) => {
      const [first] = instances;
      bytes(Buffer.alloc(first?.sizeBytes ?? 0, 1), { etag: `"0-${first?.md5}"` });
    }),
    exit: 3,
    code: 'hash-wrong',
  },
  {
    name: 'promises another hash than it delivers',
    twist: on(data, ({ bytes }, { instances }) => bytes(instances[0]?.bytes ?? '', { etag: `"0-${'0'.repeat(32)}"` })),
    exit: 3,
    code: 'hash-wrong',
  },
  {
    name: 'does not tell how long an instance is, and never ends it',
    twist: on(data, async ({ raw, pour }) => {
      raw(`HTTP/1.1 200 OK\r\nETag: "0-${'0'.repeat(32)}"\r\nTransfer-Encoding: chunked\r\n\r\n`);
      await pour(chunk('x'.repeat(64 * 1024)));
    }),
    exit: 3,
    code: 'answer-malformed',
    bytes: 16 * mebi,
  },
  {
    name: 'says that an instance is larger than any file',
    twist: on(data, async ({ raw, pour }) => {
      raw(`HTTP/1.1 200 OK\r\nETag: "0-${'0'.repeat(32)}"\r\nContent-Length: 9007199254740990\r\n\r\n`);
      await pour('x'.repeat(64 * 1024));
    }),
    exit: 3,
    code: 'answer-malformed',
    bytes: 16 * mebi,
  },
  {
    name: 'breaks every instance off in order',
    twist: on(data, (exchange) =>
      sayAndClose(exchange, `HTTP/1.1 200 OK\r\nETag: "0-${'0'.repeat(32)}"\r\nContent-Length: 4096\r\n\r\nxx`),
    ),
    exit: 5,
    code: 'body-short',
  },
  {
    name: 'delivers an instance a byte at a time',
    instances: 1,
    twist: on(data, async ({ raw, pour }, { instances }) => {
      raw(`HTTP/1.1 200 OK\r\nETag: "0-${instances[0]?.md5}"\r\nContent-Length: 4096\r\n\r\n`);
      await pour('x', 50);
    }),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'delivers a large instance a byte at a time',
    instances: 1,
    sizeBytes: 6 * mebi,
    twist: on(data, async ({ raw, pour }, { instances }) => {
      raw(`HTTP/1.1 200 OK\r\nETag: "0-${instances[0]?.md5}"\r\nContent-Length: ${6 * mebi}\r\n\r\n`);
      await pour('x', 50);
    }),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'stops amid an instance',
    instances: 1,
    twist: on(data, ({ raw }, { instances }) =>
      raw(`HTTP/1.1 200 OK\r\nETag: "0-${instances[0]?.md5}"\r\nContent-Length: 4096\r\n\r\nxxxx`),
    ),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'delivers an instance compressed',
    twist: on(data, ({ bytes }, { instances }) =>
      bytes(Buffer.from('1f8b0800000000000003abae0500', 'hex'), {
        'content-encoding': 'gzip',
        etag: `"0-${instances[0]?.md5}"`,
      }),
    ),
    exit: 3,
    code: 'hash-wrong',
  },
  {
    name: 'floods with 103 before an instance',
    instances: 1,
    twist: on(data, ({ pour }) => pour('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100))),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'redirects to another place for an instance',
    twist: on(data, ({ status }) => status(302, { location: 'http://127.0.0.1:1/' })),
    exit: 7,
    code: 'not-orthanc',
  },
];

/** What is not in the bytes. */
const ofSidecars: readonly Scenario[] = [
  {
    name: 'tells metadata of 20 MB in two-byte values',
    twist: on('/tools/find', ({ bytes }) => bytes(`[{"ID":"${idAt(1)}","Labels":[${'1,'.repeat(10_000_000)}1]}]`)),
    exit: 3,
    code: 'answer-malformed',
    bytes: 64 * mebi,
  },
  {
    name: 'tells labels that are none',
    twist: on('/tools/find', ({ json }) => json([{ ID: idAt(1), Labels: [{ a: 1 }] }])),
    exit: 3,
    code: 'answer-malformed',
  },
  {
    name: 'tells attachments of endless size',
    twist: on('/tools/find', ({ json }) =>
      json([{ ID: idAt(1), Attachments: [{ ContentType: 2000, UncompressedSize: '9'.repeat(400), Uuid: 'x' }] }]),
    ),
    exit: 3,
    code: 'answer-malformed',
  },
  {
    name: 'never tells what is attached to a study',
    instances: 1,
    twist: on('/tools/find', () => undefined),
    exit: 5,
    code: 'unreachable',
  },
];

/** Servers that are mirrored to. */
const ofTargets: readonly Scenario[] = [
  {
    name: 'confirms an instance with an answer without end',
    role: 'target',
    twist: onPost(async ({ raw, pour, body }) => {
      await body();
      raw(chunked);
      await pour(chunk(' '.repeat(64 * 1024)));
    }),
    exit: 3,
    code: 'answer-malformed',
  },
  {
    name: 'confirms an instance with no word of its own',
    role: 'target',
    twist: onPost(async ({ bytes, body }) => {
      await body();
      bytes('"thanks"');
    }),
    exit: 3,
    code: 'answer-malformed',
  },
  {
    name: 'takes a large instance a byte at a time',
    role: 'target',
    instances: 1,
    sizeBytes: 24 * mebi,
    twist: onPost(async ({ socket }) => {
      socket.pause();
      await delay(20_000, undefined, { ref: false });
    }),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'never confirms what it took',
    role: 'target',
    instances: 1,
    twist: onPost(async ({ body }) => void (await body())),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'floods with 103 instead of confirming',
    role: 'target',
    instances: 1,
    twist: onPost(({ pour }) => pour('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100))),
    exit: 5,
    code: 'unreachable',
  },
  {
    name: 'as a target ignores where a page is to begin',
    role: 'target',
    twist: onPage(({ json }) => json(rows(0, 1001))),
    exit: 7,
    code: 'answer-malformed',
    requests: 120,
    bytes: 32 * mebi,
  },
  {
    name: 'confirms what it does not hold',
    role: 'target',
    twist: onPost(async ({ json, body }) => {
      json({ ID: readIdentifyingElements(await body())?.plainId, Status: 'Success' });
    }),
    exit: 5,
    code: 'not-held',
  },
  {
    name: 'is asked what it stored, and begins its feed again and again',
    role: 'target',
    twist: afterPosts(({ json }) => json({ Changes: [changeOf(1, idAt(1))], Done: false, Last: 1 })),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'is asked what it stored, and tells of changes without end',
    role: 'target',
    twist: afterPosts(({ json, query }) => {
      const since = Number(query.get('since'));
      const changes = Array.from({ length: 1000 }, (_, n) => changeOf(since + n + 1, idAt(since + n + 1)));
      json({ Changes: changes, Done: false, Last: since + 1000 });
    }),
    exit: 7,
    code: 'answer-malformed',
  },
  {
    name: 'confirms everything under one and the same id',
    role: 'target',
    twist: onPost(async ({ json, body }) => {
      await body();
      json({ ID: idAt(0), Status: 'Success' });
    }),
    exit: 7,
    code: 'wrong-id',
  },
  {
    name: 'tells hashes of what it holds without end',
    role: 'target',
    instances: 1,
    twist: async (exchange) => {
      const { method, path, json, raw, pour, body } = exchange;
      if (method === 'POST' && path === '/instances') {
        json({ ID: readIdentifyingElements(await body())?.plainId, Status: 'Success' });
      } else if (info.test(path)) {
        raw(`${chunked}${chunk('{"ContentType":1,"UncompressedMD5":"')}`);
        await pour(chunk('a'.repeat(256 * 1024)));
      } else return false;
      return true;
    },
    exit: 3,
    code: 'answer-malformed',
    bytes: 64 * mebi,
  },
];

function onPost(act: (exchange: Exchange, world: World) => void | Promise<void>): Twist {
  return async (exchange, world) => {
    const isMet = exchange.path === '/instances' && exchange.method === 'POST';
    if (isMet) await act(exchange, world);
    return isMet;
  };
}

/** A target that confirms what it gets, and from then on tells its change feed in another way. */
function afterPosts(tellFeed: (exchange: Exchange, stored: number) => void): Twist {
  let stored = 0;
  return async (exchange) => {
    const { method, path, query, json, body } = exchange;
    if (method === 'POST' && path === '/instances') {
      const id = readIdentifyingElements(await body())?.plainId;
      stored += 1;
      json({ ID: id, Status: 'Success' });
    } else if (path === '/changes' && query.has('last')) {
      json({ Changes: [], Done: true, Last: stored * 100_000 });
    } else if (path === '/changes' && stored > 0) {
      tellFeed(exchange, stored);
    } else return false;
    return true;
  };
}

export const scenarios: readonly Scenario[] = [
  ...ofConnections,
  ...ofPages,
  ...ofIdLists,
  ...ofFeeds,
  ...ofInstances,
  ...ofSidecars,
  ...ofTargets,
];
