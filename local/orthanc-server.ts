/**
 * Starts real Orthanc servers on free loopback ports, each with its own folder and configuration: for the demo, the
 * tests and the benchmarks. A server never outlives this process.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endWithProcess } from './end-with-process.ts';
import { freePort } from './free-port.ts';
import { type OrthancProgram, orthancOfVersion } from './orthanc-versions.ts';

export interface StartOrthancOptions {
  /** An installed version, see `orthancVersions()`; the oldest when neither this nor `bin` is given. */
  readonly version?: string;
  /** The program to run, instead of `version`. */
  readonly bin?: string;
  /**
   * Merged over the defaults: loopback only, no authentication, no DICOM port, storage and index in `folder`. No TLS:
   * Orthanc as Debian packages it crashes at the first TLS connection (seen on 1.10.1 and 1.13.0); put a proxy before it.
   */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Folder of storage, index, configuration and log; kept afterwards. A temporary one, removed by `stop`, if absent. */
  readonly folder?: string;
  /** Plugins to load: paths of shared libraries or of folders of them. */
  readonly plugins?: readonly string[];
}

/** A running server. */
export interface OrthancServer {
  readonly url: string;
  readonly version: string;
  /** Holds the storage and the index. */
  readonly storageFolder: string;
  readonly configPath: string;
  readonly logPath: string;
  /** Process id of the running server; throws when it is not running. */
  readonly pid: number;
  /** Processor time used since the (last) start, user and system, in milliseconds. Linux only. */
  cpuMs(): Promise<number>;
  /** Resident memory in bytes. Linux only. */
  residentBytes(): Promise<number>;
  /** Ends the process at once, as a power cut would for the process; the folder stays. */
  kill(): Promise<void>;
  /** Ends the process in order, which takes Orthanc 2.5 s; the folder stays. */
  pause(): Promise<void>;
  /** Ends the process at once if it runs, and starts it again on the same port and folder. */
  restart(): Promise<void>;
  /** Ends the process and removes a temporary folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 15_000;
/** Of USER_HZ, in which /proc counts processor time: 100 per second on every Linux that Node runs on. */
const msPerTick = 10;
const setpriv = '/usr/bin/setpriv';

/**
 * Starts a server and waits until it answers.
 * Throws with the tail of the server's log when it exits or does not answer within a minute.
 */
export async function startOrthanc(options: StartOrthancOptions = {}): Promise<OrthancServer> {
  const { bin, version } = options;
  const program = bin === undefined ? orthancOfVersion(version) : { bin, version: version ?? 'unknown' };
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'orthanc-')));
  const config = await configurationIn(folder, options);
  const server = new LocalOrthanc(program, folder, options.folder === undefined, config);
  try {
    await writeFile(server.configPath, JSON.stringify(config, null, 2));
    await server.start();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

interface Configuration {
  readonly [option: string]: unknown;
  readonly HttpPort: number;
  readonly StorageDirectory: string;
}

async function configurationIn(folder: string, options: StartOrthancOptions): Promise<Configuration> {
  const storageFolder = join(folder, 'storage');
  await mkdir(storageFolder, { recursive: true });
  return {
    Name: 'local',
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    DicomServerEnabled: false,
    Plugins: options.plugins ?? [],
    ...options.config,
    HttpPort: await freePort(),
    StorageDirectory: storageFolder,
    IndexDirectory: storageFolder,
  };
}

class LocalOrthanc implements OrthancServer {
  readonly url: string;
  readonly version: string;
  readonly storageFolder: string;
  readonly configPath: string;
  readonly logPath: string;
  readonly #program: OrthancProgram;
  readonly #folder: string;
  readonly #isTemporary: boolean;
  #process: ChildProcess | undefined;
  readonly #takeBackEnding: () => void;

  constructor(program: OrthancProgram, folder: string, isTemporary: boolean, config: Configuration) {
    this.#program = program;
    this.#folder = folder;
    this.#isTemporary = isTemporary;
    this.version = program.version;
    this.url = `http://127.0.0.1:${config.HttpPort}`;
    this.storageFolder = config.StorageDirectory;
    this.configPath = join(folder, 'orthanc.json');
    this.logPath = join(folder, 'orthanc.log');
    this.#takeBackEnding = endWithProcess(() => {
      this.#process?.kill('SIGKILL');
      if (isTemporary) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    });
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('this Orthanc is not running');
    return pid;
  }

  async start(): Promise<void> {
    const log = await open(this.logPath, 'a');
    const child = spawnDyingWithUs(this.#program.bin, [this.configPath], log.fd);
    this.#process = child;
    child.once('exit', () => {
      if (this.#process === child) this.#process = undefined;
    });
    await once(child, 'spawn');
    await log.close();
    await this.#untilItAnswers();
  }

  async cpuMs(): Promise<number> {
    // Fields 14 and 15 of proc(5), counted after the command's name, which may itself hold spaces.
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * msPerTick;
  }

  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  pause(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    // What is removed next need not be in order.
    await this.#end(this.#isTemporary ? 'SIGKILL' : 'SIGTERM');
    this.#takeBackEnding();
    if (this.#isTemporary) await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const insist = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(insist);
  }

  async #untilItAnswers(): Promise<void> {
    const deadline = Date.now() + startTimeoutMs;
    while (!(await answersHttp(`${this.url}/system`))) {
      if (this.#process === undefined)
        throw new Error(`Orthanc ${this.version} ended at start.\n${await this.#logTail()}`);
      if (Date.now() > deadline) throw new Error(`Orthanc ${this.version} does not answer.\n${await this.#logTail()}`);
      await delay(25);
    }
  }

  async #logTail(): Promise<string> {
    return (await readFile(this.logPath, 'utf8')).split('\n').slice(-15).join('\n');
  }
}

/** Where there is setpriv (Linux), the kernel ends the server when our process dies in any way, `kill -9` included. */
function spawnDyingWithUs(bin: string, args: readonly string[], logFd: number): ChildProcess {
  const options: SpawnOptions = { stdio: ['ignore', logFd, logFd] };
  if (!existsSync(setpriv)) return spawn(bin, args, options);
  return spawn(setpriv, ['--pdeathsig', 'KILL', '--', bin, ...args], options);
}

/** Any answer counts, 401 included: the server is there. */
function answersHttp(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(url, { agent: false });
    asking.once('response', (answer) => {
      answer.resume();
      resolve(true);
    });
    asking.on('error', () => resolve(false));
    asking.setTimeout(5_000, () => asking.destroy(new Error('no answer')));
    asking.end();
  });
}
