/** The command that a soak watches. */
import { spawn } from 'node:child_process';
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { say } from './say.ts';

const executable = new URL('../../bin/orthanc-mirror', import.meta.url).pathname;

export interface Usage {
  readonly residentMiB: number;
  readonly descriptors: number;
}

/** A line of `--json`, as far as it is told. */
const lineSchema = z.looseObject({
  type: z.string(),
  role: z.string().optional(),
  outcome: z.string().optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
});

/** The watch, in a process of its own; what it prints goes to a file. */
export class WatchProcess {
  readonly #child;
  readonly events = new Map<string, number>();
  readonly #usage: Usage[] = [];
  #isStopping = false;
  livedOn = true;

  constructor(config: string, logPath: string) {
    const deletions = ['--deletions', 'propagate', '--deletion-grace-hours', '0', '--max-deletion-percent', '50'];
    const how = ['--watch', '--json', '--conflicts', 'replace', ...deletions];
    this.#child = spawn(executable, ['run', 'main', '--config', config, ...how], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(logPath);
    let rest = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      log.write(text);
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#note(lineSchema.parse(JSON.parse(line)));
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => log.write(text));
    this.#child.on('exit', (code) => {
      if (this.#isStopping) return;
      this.livedOn = false;
      say(`THE WATCH ENDED with ${code}`);
    });
  }

  #note({ type, role, outcome, code, reason }: z.output<typeof lineSchema>): void {
    const what = [type, role, outcome, code].filter((word) => word !== undefined).join(' ');
    this.events.set(what, (this.events.get(what) ?? 0) + 1);
    if (type === 'away' || type === 'back' || type === 'delayed')
      say(`  ${what}${reason === undefined ? '' : `: ${reason}`}`);
  }

  sample(): void {
    const { pid } = this.#child;
    if (pid === undefined || !this.livedOn) return;
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    this.#usage.push({ residentMiB: Number(resident) / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length });
  }

  usage(): readonly Usage[] {
    return this.#usage;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    if (this.livedOn && this.#child.kill('SIGTERM')) await ended;
  }
}
