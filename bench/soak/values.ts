/** Everything that users attach to the resources of a server, read by another way than the product's. */
import { createHash } from 'node:crypto';

export interface ReadServer {
  readonly url: string;
  readonly headers: Record<string, string>;
}

const levels = ['patients', 'studies', 'series', 'instances'] as const;
/** Identifiers from here on are the users'; below they are Orthanc's own. */
const firstOfUsers = 1024;
const atOnce = 8;

/** One line per value: `studies/<id> metadata 1030 <hash>`. */
export async function valuesOf(server: ReadServer): Promise<ReadonlySet<string>> {
  const values = new Set<string>();
  for (const level of levels) {
    const ids = (await json(server, `/${level}`)) as string[];
    const waiting = ids.values();
    const worker = async () => {
      for (const id of waiting) for (const line of await linesOf(server, level, id)) values.add(line);
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }
  return values;
}

async function linesOf(server: ReadServer, level: string, id: string): Promise<readonly string[]> {
  const path = `/${level}/${id}`;
  const [metadata, attachments, labels] = await Promise.all([
    json(server, `${path}/metadata?expand&numeric`) as Promise<Record<string, string>>,
    json(server, `${path}/attachments?full`) as Promise<Record<string, number>>,
    json(server, `${path}/labels`) as Promise<string[]>,
  ]);
  const lines = Object.entries(metadata)
    .filter(([key]) => Number(key) >= firstOfUsers)
    .map(([key, value]) => `${level}/${id} metadata ${key} ${hash(value)}`);
  for (const number of Object.values(attachments).filter((one) => one >= firstOfUsers)) {
    const data = await bytes(server, `${path}/attachments/${number}/data`);
    lines.push(`${level}/${id} attachment ${number} ${hash(data)}`);
  }
  lines.push(...labels.map((label) => `${level}/${id} label ${label}`));
  if (level === 'patients') lines.push(`${level}/${id} protected ${String(await json(server, `${path}/protected`))}`);
  return lines;
}

function hash(value: string | Uint8Array): string {
  return createHash('md5').update(value).digest('hex');
}

async function json(server: ReadServer, path: string): Promise<unknown> {
  return JSON.parse((await bytes(server, path)).toString('utf8'));
}

async function bytes({ url, headers }: ReadServer, path: string): Promise<Buffer> {
  const answer = await fetch(url + path, { headers });
  const body = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) throw new Error(`GET ${path}: ${answer.status}`);
  return body;
}
