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
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateInstance, generateInstances } from '../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';
import { uploadAll } from '../local/upload.ts';
import { type FaultProxy, startFaultProxy } from '../test/support/fault-proxy.ts';
import { mountSmallDisk } from '../test/support/small-disk.ts';

const root = new URL('..', import.meta.url).pathname;
const silentMsAllowed = 2000;
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
  readonly longestSilenceMs: number;
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
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const pressCtrlC = (afterMs: number) => setTimeout(() => child.stdin.write('\u0003'), afterMs);
  // A second one, for what does not end by the first.
  const stopping = stopAfterMs === undefined ? [] : [pressCtrlC(stopAfterMs), pressCtrlC(stopAfterMs + 5000)];
  const [exitCode] = await Promise.all([ended, acts?.()]);
  for (const timer of stopping) clearTimeout(timer);
  const moments = [0, ...events.map(({ atMs }) => atMs), performance.now() - begunAtMs];
  const longestSilenceMs = Math.max(...moments.slice(1).map((atMs, index) => atMs - (moments[index] ?? 0)));
  return { command: typed, events, longestSilenceMs, exitCode };
}

function dropAll(proxy: FaultProxy): void {
  proxy.break({ effect: { kind: 'drop', when: 'before' } });
}

function slow(proxy: FaultProxy, ms: number): void {
  proxy.break({ effect: { kind: 'delay', ms } });
}

const scenes: Readonly<Record<string, Scene>> = {
  'source-away': {
    title: 'The source goes away and comes back',
    what: 'After 4 seconds the source breaks every connection, for 12 seconds.',
    async play(stage) {
      const source = await stage.proxy(await stage.server(generateInstances('away', 400, 65_536)));
      slow(source, 300);
      const acts = async () => {
        await delay(4000);
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

function castOf({ events, command }: Recording): string {
  const head = { version: 2, width: columns, height: rows, title: command };
  const lines = events.map(({ atMs, text }) => [Number((atMs / 1000).toFixed(3)), 'o', text]);
  return `${[head, ...lines].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

/** Every line that stays, and of the line that moves what it shows every three seconds. */
function textOf({ events }: Recording): string {
  const shown: string[] = [];
  let line = '';
  let statusAtMs = Number.NEGATIVE_INFINITY;
  for (const { atMs, text } of events) {
    for (const part of text.split(/(\r\n|\r?\u001b\[2K)/)) {
      if (part === '\r\n') shown.push(`${clock(atMs)}  ${line}`);
      if (/^\r/.test(part)) line = '';
      else line += part;
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

const wanted = process.argv.slice(2);
const folder = join(root, 'docs/sessions');
await mkdir(folder, { recursive: true });
const chapters: string[] = [];
let isGood = true;
for (const [name, scene] of Object.entries(scenes)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  await using stage = await openStage();
  const { recording, note, isGood: asWanted = true } = await scene.play(stage);
  const silence = `longest silence ${(recording.longestSilenceMs / 1000).toFixed(1)} s, exit code ${recording.exitCode}`;
  console.error(`${name}: ${silence}${note === undefined ? '' : `; ${note}`}`);
  isGood &&= asWanted && recording.longestSilenceMs <= silentMsAllowed;
  await writeFile(join(folder, `${name}.cast`), castOf(recording));
  chapters.push(
    `## ${scene.title}\n\n${scene.what}${note === undefined ? '' : ` ${note}`} Measured: ${silence}.\n\n` +
      `\`\`\`text\n$ ${recording.command}\n${textOf(recording)}\n\`\`\`\n`,
  );
}
const introduction = `# What a terminal shows while things go wrong

Recorded by \`node scripts/record-sessions.ts\`, which fails if nothing moves for more than two seconds. On the left the
seconds; \`~\` marks the line that moves, of which every three seconds one state is shown here, and all in the recordings
(\`asciinema play docs/sessions/source-away.cast\`).
`;
if (wanted.length === 0) await writeFile(join(root, 'docs/sessions.md'), [introduction, ...chapters].join('\n'));
process.exitCode = isGood ? 0 : 1;
