/** Answers of servers: any bytes as the body of an answer, and any bytes instead of HTTP. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type InstanceId, isInstanceId } from '../../../core/identifiers.ts';
import { listAttachments } from '../../../core/sidecars/list-attachments.ts';
import { listStudyFingerprints } from '../../../core/sidecars/list-fingerprints.ts';
import { readPatientSidecar, readStudySidecar } from '../../../core/sidecars/read-sidecar.ts';
import type { StudyServer } from '../../../core/sidecars/study-server.ts';
import {
  type OrthancCapabilities,
  parseCapabilities,
  readCapabilities,
} from '../../../core/stores/orthanc/capabilities.ts';
import { changePages, lastChange } from '../../../core/stores/orthanc/change-feed.ts';
import { OrthancClient } from '../../../core/stores/orthanc/http-client.ts';
import { pagedInventory } from '../../../core/stores/orthanc/inventory-paged.ts';
import type { ListedServer } from '../../../core/stores/orthanc/inventory-parents.ts';
import {
  type InventoryMemory,
  rememberedInventory,
  serverInventory,
} from '../../../core/stores/orthanc/inventory-remembered.ts';
import { listStudyIds } from '../../../core/stores/orthanc/list-study-ids.ts';
import { lookUpInstance } from '../../../core/stores/orthanc/look-up-instance.ts';
import { openInstance } from '../../../core/stores/orthanc/open-instance.ts';
import { generateInstance } from '../../../local/dicom/generate.ts';
import { placeOfNth } from '../../../local/dicom/identifiers.ts';
import { changeOf, knownInstances, listedInstance, system } from '../../support/hostile-server.ts';
import { mutatedBytes, mutatedJson } from '../mutations.ts';
import { attempt, type FuzzTarget, must } from '../target.ts';

const limits = { mostInstances: 200, mostInstanceBytes: 1_000_000, leastBytesPerSecond: 1, rateWindowMs: 60_000 };
/** Requests that any reading of one kind may make of a server that answers everything alike. */
const mostRequests = 600;

const capabilities = {
  version: '1.12.7',
  apiVersion: 27,
  hasExtendedFind: true,
  hasAttachmentInfo: true,
  hasLabels: true,
  checkRevisions: false,
  hasPatientLevel: true,
  listsProtection: true,
  metadataNumbers: { mine: 1024 },
};

/** A server on this machine that says the same to every request, and counts them. */
class EchoServer {
  #answer: Uint8Array = Buffer.alloc(0);
  #isRaw = false;
  requests = 0;
  readonly #server = createServer((socket) => this.#serve(socket));
  #client: OrthancClient | undefined;

  /** Says these bytes: as they are, and closes the connection, or as the body of an answer. */
  async say(answer: Uint8Array, isRaw: boolean): Promise<OrthancClient> {
    this.#client ??= await this.#start();
    this.#answer = answer;
    this.#isRaw = isRaw;
    this.requests = 0;
    return this.#client;
  }

  async #start(): Promise<OrthancClient> {
    this.#server.listen(0, '127.0.0.1').unref();
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    const timeouts = { connectMs: 10_000, queryMs: 10_000, longMs: 10_000, bodyMs: 10_000 };
    return new OrthancClient(
      { url: `http://127.0.0.1:${address.port}`, name: 'server', limits, timeouts },
      () => undefined,
    );
  }

  #serve(socket: Socket): void {
    socket.unref();
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      // Each request of ours fits one packet, and has no body worth waiting for.
      if (!/^[A-Z]+ \//.test(bytes.toString('latin1', 0, 20))) return;
      this.requests += 1;
      if (this.#isRaw) {
        socket.end(this.#answer);
        return;
      }
      const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${this.#answer.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), this.#answer]));
    });
  }
}

const server = new EchoServer();

type Reading = (client: OrthancClient) => unknown;

/** Does every reading while the server says these bytes. */
function checkOf(isRaw: boolean, readings: readonly Reading[]): (input: Uint8Array) => Promise<void> {
  return async (input) => {
    for (const reading of readings) {
      const client = await server.say(input, isRaw);
      await attempt(() => reading(client));
      must(server.requests <= mostRequests, `a server that repeats itself was asked ${server.requests} times`);
    }
  };
}

async function listed(entries: AsyncIterable<{ readonly id: InstanceId }>): Promise<void> {
  let last = '';
  let count = 0;
  for await (const { id } of entries) {
    must(isInstanceId(id) && id > last, 'ids are listed out of order');
    last = id;
    count += 1;
  }
  must(count <= limits.mostInstances, 'more instances are listed than there may be');
}

const instances = knownInstances((n) => generateInstance(placeOfNth('fuzz server', n), 2048), 'fuzz server', 3);
const id = instances[0]?.id ?? ('' as InstanceId);
const asStudyServer = (client: OrthancClient): StudyServer => ({ client, capabilities });
const old: OrthancCapabilities['hasAttachmentInfo'] = false;

/** An answer that fits several questions of a listing: of the feed, of how many there are, of what a series holds. */
const feedAndCount = { Changes: [changeOf(1, id)], Done: true, Last: 1, CountInstances: 1, Instances: [id] };

function oldServer(client: OrthancClient): ListedServer {
  return { client, capabilities: parseCapabilities({ Version: '1.10.1', ApiVersion: 16 }) };
}

const forgetful: InventoryMemory = {
  days: 30,
  today: () => 20_000,
  read: async () => undefined,
  write: async () => undefined,
};

const resource = {
  ID: id,
  Labels: ['a'],
  Metadata: { '1024': 'x', ReceptionDate: 'y' },
  Attachments: [{ ContentType: 1025, Uuid: 'u', UncompressedSize: '3', UncompressedMD5: '0'.repeat(32) }],
  MainDicomTags: { StudyDate: '20261121' },
  PatientMainDicomTags: { PatientID: 'p' },
  ParentPatient: id,
  ParentStudy: id,
  ParentSeries: id,
  Series: [id],
  Instances: [id],
  IsProtected: true,
};

export const serverTargets: readonly FuzzTarget[] = [
  {
    name: 'server-system',
    inputs: mutatedJson([system, { ...system, ApiVersion: '1.4', DatabaseBackendPlugin: null }]),
    check: checkOf(false, [(client) => readCapabilities(client, {})]),
  },
  {
    name: 'server-pages',
    inputs: mutatedJson([instances.map(listedInstance), []]),
    check: checkOf(false, [
      (client) => listed(pagedInventory(client, {})),
      (client) => listed(pagedInventory(client, { after: id })),
    ]),
    runs: 100,
  },
  {
    name: 'server-ids',
    inputs: mutatedJson([instances.map((one) => one.id), []]),
    check: checkOf(false, [(client) => listStudyIds(asStudyServer(client))]),
  },
  {
    name: 'server-listing',
    runs: 100,
    inputs: mutatedJson([
      { ...feedAndCount, Series: [id] },
      { ...feedAndCount, CountInstances: 0 },
    ]),
    check: checkOf(false, [
      (client) => listed(serverInventory(oldServer(client), {})),
      (client) => listed(rememberedInventory(oldServer(client), forgetful, {})),
    ]),
  },
  {
    name: 'server-feed',
    inputs: mutatedJson([
      { Changes: [changeOf(1, id), changeOf(2, id)], Done: true, Last: 2 },
      { Changes: [changeOf(7, id)], Done: false, Last: 7 },
    ]),
    check: checkOf(false, [
      async (client) => {
        let last = 0;
        for await (const page of changePages(client, { since: 0 })) {
          for (const { seq } of page.changes) must(seq > last, 'changes are told out of order');
          last = page.last;
        }
      },
      (client) => lastChange(client, {}),
    ]),
  },
  {
    name: 'server-instance',
    inputs: mutatedJson([listedInstance(instances[0] as never), { ContentType: 1, UncompressedSize: '7' }, 12, md5()]),
    check: checkOf(false, [
      (client) => lookUpInstance(client, { hasAttachmentInfo: true } as never, id, {}),
      (client) => lookUpInstance(client, { hasAttachmentInfo: old } as never, id, {}),
      async (client) => {
        const opened = await openInstance(client, id, {});
        let bytes = 0;
        for await (const chunk of opened.body) bytes += chunk.length;
        must(bytes === opened.sizeBytes, 'an instance ends without notice');
      },
    ]),
    runs: 150,
  },
  {
    name: 'server-sidecars',
    inputs: mutatedJson([[resource], [resource, { ID: id }], { a: 1024, b: 1025 }, ['1024']]),
    check: checkOf(false, [
      (client) => readStudySidecar(asStudyServer(client), id),
      (client) => readPatientSidecar(asStudyServer(client), id),
      (client) => listAttachments(asStudyServer(client), 'studies', id, {}),
      (client) =>
        Array.fromAsync(
          listStudyFingerprints(asStudyServer(client), {
            scope: { patients: true, labels: true },
          }),
        ),
    ]),
    runs: 100,
  },
  {
    name: 'server-http',
    inputs: mutatedBytes(
      [
        `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "1-${'0'.repeat(32)}"\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
        'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n',
        'HTTP/1.1 500 x\r\nContent-Length: 20\r\n\r\n{"OrthancError":"x"}',
        'HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n',
      ].map((text) => Buffer.from(text)),
    ),
    check: checkOf(true, [
      (client) => readCapabilities(client, {}),
      (client) => client.findText('/x'),
      (client) => openInstance(client, id, {}),
    ]),
    runs: 100,
  },
];

function md5(): string {
  return '0'.repeat(32);
}
