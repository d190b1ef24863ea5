/** What a watch tells those who watch it: `/healthz`, `/metrics` for Prometheus, and a call of its own when all is well. */
import type { RequestListener } from 'node:http';
import { MirrorError } from '../../core/errors.ts';
import type { MirrorEvent } from '../../core/mirror/mirror-events.ts';
import type { MirrorObserver } from '../../core/mirror/mirror-run.ts';
import type { Terminal } from '../terminal.ts';

const heartbeatTimeoutMs = 10_000;

/** Counts what a watch does; constant memory. */
export class WatchHealth {
  readonly #begunAtMs = Date.now();
  readonly #away = new Map<string, string>();
  #copied = 0;
  #bytes = 0;
  #failed = 0;
  #comparedAtMs: number | undefined;

  readonly observer: Pick<MirrorObserver, 'onResult' | 'onEvent'> = {
    onResult: ({ outcomes, sizeBytes }) => {
      if (outcomes.some(({ kind }) => kind === 'copied')) {
        this.#copied += 1;
        this.#bytes += sizeBytes ?? 0;
      }
      if (outcomes.some(({ kind }) => kind === 'failed' || kind === 'rejected')) this.#failed += 1;
    },
    onEvent: (event: MirrorEvent) => {
      if (event.kind === 'away') this.#away.set(event.store, event.role);
      if (event.kind === 'back') this.#away.delete(event.store);
      if (isCompleteComparison(event)) this.#comparedAtMs = Date.now();
    },
  };

  /** Whether everybody is there, and everything was compared once. */
  get isWell(): boolean {
    return this.#away.size === 0 && this.#comparedAtMs !== undefined;
  }

  /** In the text format of Prometheus. Roles, no names: addresses are nobody's business. */
  metrics(): string {
    const awayOf = (role: string) => [...this.#away.values()].filter((one) => one === role).length;
    const roles = ['source', 'target', 'archive', 'mirror'];
    return [
      metric('orthanc_mirror_up_seconds', 'gauge', 'Time since the watch began.', [
        ['', secondsSince(this.#begunAtMs)],
      ]),
      metric('orthanc_mirror_copied_instances_total', 'counter', 'Instances copied to at least one destination.', [
        ['', this.#copied],
      ]),
      metric('orthanc_mirror_copied_bytes_total', 'counter', 'Bytes of these instances.', [['', this.#bytes]]),
      metric('orthanc_mirror_failed_results_total', 'counter', 'Results in which an instance failed or was rejected.', [
        ['', this.#failed],
      ]),
      metric(
        'orthanc_mirror_away',
        'gauge',
        'Stores that cannot be used.',
        roles.map((role) => [`{role="${role}"}`, awayOf(role)]),
      ),
      ...(this.#comparedAtMs === undefined
        ? []
        : [
            metric(
              'orthanc_mirror_last_comparison_timestamp_seconds',
              'gauge',
              'When the last complete comparison ended.',
              [['', this.#comparedAtMs / 1000]],
            ),
          ]),
    ].join('');
  }

  /** Answers GET of `/healthz` and `/metrics`, and gives everything else on. */
  listener(others: RequestListener): RequestListener {
    return (request, response) => {
      const { method, url } = request;
      const isRead = method === 'GET' || method === 'HEAD';
      if (isRead && url === '/healthz') {
        response.writeHead(this.isWell ? 200 : 503, { 'content-type': 'text/plain' });
        response.end(this.isWell ? 'well\n' : 'not well: see /metrics\n');
      } else if (isRead && url === '/metrics') {
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(this.metrics());
      } else {
        others(request, response);
      }
    };
  }
}

/** Whether it tells of a comparison of which no destination missed a part. */
export function isCompleteComparison(event: MirrorEvent): boolean {
  return event.kind === 'compared' && event.leftOut.length === 0;
}

function secondsSince(ms: number): number {
  return (Date.now() - ms) / 1000;
}

function metric(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  values: readonly (readonly [labels: string, value: number])[],
): string {
  const lines = values.map(([labels, value]) => `${name}${labels} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}

/** Calls an address after a complete success; whoever waits for it in vain raises the alarm. A failure is a warning. */
export async function beatHeart(url: string | undefined, terminal: Terminal): Promise<void> {
  if (url === undefined) return;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(heartbeatTimeoutMs), redirect: 'error' });
    await answer.body?.cancel();
    if (!answer.ok) throw new MirrorError('refused', `it answered ${answer.status}`);
  } catch (error) {
    // The address may hold a secret: it is not repeated.
    const reason = error instanceof MirrorError ? error.message : 'it does not answer';
    terminal.warn(`the address of --heartbeat was not told of the success: ${reason}`);
  }
}
