/**
 * Records what a terminal shows while things go wrong, and writes it to `docs/sessions.md`; the recordings themselves
 * (asciicast, to be played by asciinema) beside it in `docs/sessions`. Ends with 1 if nothing moved for more than two
 * seconds anywhere, or if sidecars do not go concurrently.
 *
 *     node scripts/record-sessions.ts [SCENE…]
 *
 * Needs Orthanc, `script` of util-linux, and root for the full disk.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { generateInstance, generateInstances } from '../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';
import { uploadAll } from '../local/upload.ts';
import { type FaultProxy, startFaultProxy } from '../test/support/fault-proxy.ts';
import { mountSmallDisk } from '../test/support/small-disk.ts';

const root = new URL('..', import.meta.url).pathname;
const silentMsAllowed = 2000;
const eraseLine = '\r\u001b[2K';
const [columns, rows] = [118, 30];

interface Stage extends AsyncDisposable {
  readonly folder: string;
  server(instances: Iterable<{ readonly bytes: Uint8Array; readonly sizeBytes: number }>): Promise<OrthancServer>;
  proxy(server: OrthancServer): Promise<FaultProxy>;
  use<T extends Disposable | AsyncDisposable>(thing: T): T;
}

interface Scene {
  readonly title: string;
  /** What happens behind the back of the command. */
  readonly what: string;
  play(stage: Stage): Promise<Played>;
}

interface Played {
  readonly recording: Recording;
  /** What was measured beside it. */
  readonly note?: string;
  readonly isGood?: boolean;
}

interface Recording {
  readonly command: string;
  readonly events: readonly { readonly atMs: number; readonly text: string }[];
  readonly durationMs: number;
  readonly exitCode: number | null;
}

/** Runs a command on a terminal of its own; `acts` are done meanwhile, `stopAfterMs` is when somebody presses Ctrl-C. */
async function record(
  args: readonly string[],
  { acts, stopAfterMs }: { readonly acts?: () => Promise<void>; readonly stopAfterMs?: number } = {},
): Promise<Recording> {
  const typed = ['orthanc-mirror', ...args].join(' ');
  const run = `stty cols ${columns} rows ${rows}; exec ${join(root, 'bin/orthanc-mirror')} ${args.join(' ')}`;
  const child = spawn('script', ['-q', '-e', '-f', '-c', run, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const events: { atMs: number; text: string }[] = [];
  const begunAtMs = performance.now();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    events.push({ atMs: performance.now() - begunAtMs, text });
  });
  let endedAtMs = begunAtMs;
  const ended = once(child, 'close').then(() => {
    endedAtMs = performance.now();
    return child.exitCode;
  });
  const pressCtrlC = (afterMs: number) => setTimeout(() => child.stdin.write('\u0003'), afterMs);
  // A second one, for what does not end by the first.
  const stopping = stopAfterMs === undefined ? [] : [pressCtrlC(stopAfterMs), pressCtrlC(stopAfterMs + 5000)];
  const [exitCode] = await Promise.all([ended, Promise.race([ended, acts?.()])]);
  for (const timer of stopping) clearTimeout(timer);
  return { command: typed, events, durationMs: endedAtMs - begunAtMs, exitCode };
}

function dropAll(proxy: FaultProxy): void {
  proxy.break({ effect: { kind: 'drop', when: 'before' } });
}

/** Waits until so many files were asked for. */
async function instancesRead({ seen }: FaultProxy, count: number): Promise<void> {
  while (seen.filter(({ path }) => path.endsWith('/attachments/dicom/data')).length < count) await delay(50);
}

function slow(proxy: FaultProxy, ms: number): void {
  proxy.break({ effect: { kind: 'delay', ms } });
}

const scenes: Readonly<Record<string, Scene>> = {
  'source-away': {
    title: 'The source goes away and comes back',
    what: 'When 60 instances were read, the source breaks every connection for 12 seconds.',
    async play(stage) {
      const source = await stage.proxy(await stage.server(generateInstances('away', 400, 65_536)));
      slow(source, 300);
      const acts = async () => {
        await instancesRead(source, 60);
        dropAll(source);
        await delay(12_000);
        source.repair();
      };
      return { recording: await record(['run', source.url, '--archive', join(stage.folder, 'archive')], { acts }) };
    },
  },
  'target-away': {
    title: 'The target goes away',
    what: 'After 4 seconds the target breaks every connection, for good. The archive is served all the same.',
    async play(stage) {
      const source = await stage.server(generateInstances('gone', 400, 65_536));
      const target = await stage.proxy(await stage.server([]));
      slow(target, 300);
      const acts = async () => {
        await delay(4000);
        dropAll(target);
      };
      const args = ['run', source.url, target.url, '--archive', join(stage.folder, 'archive')];
      return { recording: await record(args, { acts }) };
    },
  },
  'never-answers': {
    title: 'A server that takes connections and never answers',
    what: 'After 25 seconds somebody presses Ctrl-C.',
    async play(stage) {
      const server = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(server, 'listening');
      stage.use({ [Symbol.dispose]: () => void server.close() });
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const args = ['run', `http://127.0.0.1:${port}`, '--archive', join(stage.folder, 'archive')];
      return { recording: await record(args, { stopAfterMs: 25_000 }) };
    },
  },
  'disk-full': {
    title: 'The disk of the archive is full',
    what: 'The archive lies on a file system of 4 MiB, the source holds 19 MiB.',
    async play(stage) {
      const source = await stage.server(generateInstances('full', 300, 65_536));
      const disk = stage.use(mountSmallDisk(4 * 1024 ** 2));
      return { recording: await record(['run', source.url, '--archive', disk.folder]) };
    },
  },
  sidecars: {
    title: '1,000 sidecars at 200 ms',
    what: 'Each answer of the source comes 200 ms late; it holds 1,000 studies of one instance.',
    async play(stage) {
      const seed = 'sidecars';
      const places = Array.from({ length: 1000 }, (_, n) => ({ seed, patient: n, study: n, series: n, instance: n }));
      const source = await stage.proxy(await stage.server(places.map((place) => generateInstance(place, 2048))));
      const args = ['run', source.url, '--archive', join(stage.folder, 'archive')];
      await record([...args, '--instances-only']);
      const flight = inFlight(source, 200);
      const recording = await record(args);
      const { requests, mean, most } = flight();
      const note = `${requests} requests, on average ${mean.toFixed(1)} in flight, at most ${most}; one at a time: 1.0.`;
      return { recording, note, isGood: mean >= 8 };
    },
  },
};

/** Delays every request, and counts how many are delayed at once. @returns what was counted since, from first to last */
function inFlight(proxy: FaultProxy, ms: number): () => { requests: number; mean: number; most: number } {
  let [requests, now, most] = [0, 0, 0];
  let [firstAtMs, lastAtMs] = [Number.NaN, Number.NaN];
  const call = async () => {
    requests += 1;
    now += 1;
    most = Math.max(most, now);
    if (Number.isNaN(firstAtMs)) firstAtMs = performance.now();
    await delay(ms);
    now -= 1;
    lastAtMs = performance.now();
  };
  proxy.break({ effect: { kind: 'call', call } });
  return () => ({ requests, mean: (requests * ms) / (lastAtMs - firstAtMs), most });
}

async function openStage(): Promise<Stage> {
  const opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-session-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  return {
    folder,
    use: (thing) => opened.use(thing),
    async server(instances) {
      const server = opened.use(await startOrthanc());
      const uploads = [...instances].map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
      await uploadAll(server.url, uploads, 4);
      return server;
    },
    async proxy(server) {
      const proxy = await startFaultProxy(server.url);
      opened.defer(() => proxy.close());
      return proxy;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The first line of a recording: what asciicast has there, and what else was measured. */
const headSchema = z.object({
  version: z.literal(2),
  width: z.number(),
  height: z.number(),
  title: z.string(),
  /** Seconds. */
  duration: z.number(),
  exitCode: z.number().nullable(),
  note: z.string(),
});
const eventSchema = z.tuple([z.number(), z.literal('o'), z.string()]);

function castOf({ recording, note = '' }: Played): string {
  const { events, command: title, durationMs, exitCode } = recording;
  const duration = Number((durationMs / 1000).toFixed(3));
  const head: z.output<typeof headSchema> = {
    version: 2,
    width: columns,
    height: rows,
    title,
    duration,
    exitCode,
    note,
  };
  const lines = events.map(({ atMs, text }) => [Number((atMs / 1000).toFixed(3)), 'o', text]);
  return `${[head, ...lines].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

async function readCast(file: string): Promise<Played> {
  const [head = '', ...lines] = (await readFile(file, 'utf8')).trimEnd().split('\n');
  const { title: command, duration, exitCode, note } = headSchema.parse(JSON.parse(head));
  const events = lines.map((line) => {
    const [seconds, , text] = eventSchema.parse(JSON.parse(line));
    return { atMs: seconds * 1000, text };
  });
  return { recording: { command, events, durationMs: duration * 1000, exitCode }, note };
}

/** What it showed for the first time is what the start of a program takes on this machine, now. */
function silenceOf({ events, durationMs, exitCode }: Recording): { readonly longestMs: number; readonly text: string } {
  const moments = [...events.map(({ atMs }) => atMs), durationMs];
  const longestMs = Math.max(...moments.slice(1).map((atMs, index) => atMs - (moments[index] ?? 0)));
  const [start, longest] = [moments[0] ?? 0, longestMs].map((ms) => (ms / 1000).toFixed(1));
  const text = `first sign after ${start} s, then never silent for more than ${longest} s, exit code ${exitCode}`;
  return { longestMs, text };
}

/** Every line that stays, and of the line that moves what it shows every three seconds. */
function textOf({ events }: Recording): string {
  const shown: string[] = [];
  let line = '';
  let statusAtMs = Number.NEGATIVE_INFINITY;
  for (const { atMs, text } of events) {
    for (const part of text.replaceAll(eraseLine, '\r').split(/(\r\n|\r)/)) {
      if (part === '\r\n') shown.push(`${clock(atMs)}  ${line}`);
      line = part.startsWith('\r') ? '' : line + part;
    }
    if (line !== '' && atMs - statusAtMs >= 3000) {
      shown.push(`${clock(atMs)}~ ${line}`);
      statusAtMs = atMs;
    }
  }
  return shown.join('\n');
}

function clock(ms: number): string {
  return (ms / 1000).toFixed(1).padStart(5);
}

async function chapterOf(name: string, { title, what }: Scene): Promise<string> {
  const { recording, note } = await readCast(join(folder, `${name}.cast`));
  const measured = [what, note, `Measured: ${silenceOf(recording).text}.`].filter((text) => text !== '').join(' ');
  return `## ${title}\n\n${measured}\n\n\`\`\`text\n$ ${recording.command}\n${textOf(recording)}\n\`\`\`\n`;
}

const wanted = process.argv.slice(2);
const folder = join(root, 'docs/sessions');
await mkdir(folder, { recursive: true });
let isGood = true;
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  await using stage = await openStage();
  const played = await scene.play(stage);
  const { longestMs, text } = silenceOf(played.recording);
  console.error(`${name}: ${[text, played.note].filter((part) => part !== undefined).join('; ')}`);
  isGood &&= (played.isGood ?? true) && longestMs <= silentMsAllowed;
  await writeFile(join(folder, `${name}.cast`), castOf(played));
}
const introduction = `# What a terminal shows while things go wrong

Recorded by \`node scripts/record-sessions.ts\`, which fails if nothing moves for more than two seconds. On the left the
seconds; \`~\` marks the line that moves, of which every three seconds one state is shown here, and all in the recordings
(\`asciinema play docs/sessions/sidecars.cast\`).
`;
const chapters = await Promise.all(Object.entries(scenes).map(([name, scene]) => chapterOf(name, scene)));
await writeFile(join(root, 'docs/sessions.md'), [introduction, ...chapters].join('\n'));
process.exitCode = isGood ? 0 : 1;
