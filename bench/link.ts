/**
 * A long path on one machine. Where network namespaces are allowed (root on Linux, with `ip` and `python3`), commands run
 * in a namespace of their own: `near` servers are reached directly, `far` ones over a path whose packets are delayed and
 * lost, with all that TCP makes of it. Elsewhere a proxy delays what passes, which shows the waiting for answers, but
 * neither the slow start of TCP nor loss.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { endWithProcess } from '../local/end-with-process.ts';

export interface Path {
  readonly rttMs: number;
  readonly lossPercent: number;
  /** Of what is lost. */
  readonly seed: number;
}

export interface Link extends AsyncDisposable {
  readonly how: 'network namespace' | 'proxy';
  /** What a command must begin with, so that it is at the near end. */
  readonly prefix: readonly string[];
  /** The address under which a command at the near end reaches a server that listens on all addresses of this machine. */
  near(url: string): string;
  /** The same over the long path. */
  far(url: string): Promise<string>;
}

export async function openLink(path: Path): Promise<Link> {
  if (!allowsNamespaces()) return new ProxyLink(path);
  const link = new NamespaceLink();
  try {
    await link.open(path);
    return link;
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw error;
  }
}

function allowsNamespaces(): boolean {
  if (process.getuid?.() !== 0 || !existsSync('/dev/net/tun')) return false;
  return spawnSync('sh', ['-c', 'unshare -n true && command -v ip python3']).status === 0;
}

class NamespaceLink implements Link {
  readonly how = 'network namespace';
  readonly prefix: readonly string[];
  readonly #name = `bench${process.pid}`;
  /** Two networks of four addresses, apart from those of other benchmarks that run at the same time. */
  readonly #network = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}`;
  #delaying: ChildProcess | undefined;
  readonly #takeBackEnding: () => void;

  constructor() {
    this.prefix = ['ip', 'netns', 'exec', this.#name];
    this.#takeBackEnding = endWithProcess(() => this.#remove());
  }

  async open({ rttMs, lossPercent, seed }: Path): Promise<void> {
    const [here, there] = [`t${process.pid}a`, `t${process.pid}b`];
    const script = new URL('delay-packets.py', import.meta.url).pathname;
    const given = [here, there, rttMs / 2, lossPercent, seed].map(String);
    this.#delaying = spawn('python3', [script, ...given], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { stdout } = this.#delaying;
    if (stdout === null) throw new Error('the delay has no output');
    await once(createInterface({ input: stdout }), 'line');
    const within = (...args: string[]): void => run(['-n', this.#name, ...args]);
    run(['netns', 'add', this.#name]);
    run(['link', 'set', there, 'netns', this.#name]);
    run(['addr', 'add', `${this.#network}.1/30`, 'dev', here]);
    run(['link', 'set', here, 'up']);
    within('addr', 'add', `${this.#network}.2/30`, 'dev', there);
    within('link', 'set', there, 'up');
    run(['link', 'add', `v${process.pid}a`, 'type', 'veth', 'peer', 'name', `v${process.pid}b`, 'netns', this.#name]);
    run(['addr', 'add', `${this.#network}.5/30`, 'dev', `v${process.pid}a`]);
    run(['link', 'set', `v${process.pid}a`, 'up']);
    within('addr', 'add', `${this.#network}.6/30`, 'dev', `v${process.pid}b`);
    within('link', 'set', `v${process.pid}b`, 'up');
    within('link', 'set', 'lo', 'up');
    // What most Linux servers use, whatever this one does.
    const cubic = 'echo cubic > /proc/sys/net/ipv4/tcp_congestion_control';
    spawnSync('ip', ['netns', 'exec', this.#name, 'sh', '-c', cubic], { stdio: 'ignore' });
  }

  near(url: string): string {
    return withHost(url, `${this.#network}.5`);
  }

  far(url: string): Promise<string> {
    return Promise.resolve(withHost(url, `${this.#network}.1`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#takeBackEnding();
    this.#remove();
  }

  #remove(): void {
    this.#delaying?.kill('SIGKILL');
    spawnSync('ip', ['netns', 'del', this.#name], { stdio: 'ignore' });
    // Takes a moment after its namespace is gone.
    spawnSync('ip', ['link', 'del', `v${process.pid}a`], { stdio: 'ignore' });
  }
}

function run(args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

function withHost(url: string, host: string): string {
  const changed = new URL(url);
  changed.hostname = host;
  return changed.origin;
}

class ProxyLink implements Link {
  readonly how = 'proxy';
  readonly prefix = [];
  readonly #oneWayMs: number;
  readonly #proxies: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor({ rttMs, lossPercent }: Path) {
    if (lossPercent > 0) throw new Error('a proxy cannot lose packets: loss needs network namespaces (root on Linux)');
    this.#oneWayMs = rttMs / 2;
  }

  near(url: string): string {
    return url;
  }

  async far(url: string): Promise<string> {
    const { hostname, port } = new URL(url);
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      this.#pass(near, far);
      this.#pass(far, near);
    });
    this.#proxies.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `http://127.0.0.1:${address.port}`;
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (bytes) => setTimeout(() => to.write(bytes), this.#oneWayMs));
    from.on('end', () => setTimeout(() => to.end(), this.#oneWayMs));
    from.on('error', () => to.destroy());
    from.on('close', () => this.#sockets.delete(from));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const proxy of this.#proxies) proxy.close();
  }
}
