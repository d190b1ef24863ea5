/** The work of `serve`: the webhook beside a watch. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { z } from 'zod';
import { webhookListener } from '../../core/cloud/webhook/http-listener.ts';
import { createWebhook } from '../../core/cloud/webhook/webhook.ts';
import { MirrorError } from '../../core/errors.ts';
import { WakeUp } from '../../core/mirror/wake-up.ts';
import { nameSchema } from '../../core/names.ts';
import type { CommandContext } from '../command-context.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { RunArguments } from '../run/options.ts';
import { run } from '../run/run.ts';
import { WatchHealth } from '../run/watch-health.ts';
import type { serveOptionValues } from './options.ts';

export interface ServeArguments extends Omit<RunArguments, 'options'> {
  readonly options: z.output<typeof serveOptionValues>;
}

/** Slow requests hold a connection only so long. */
const requestTimeoutMs = 10_000;

/** Listens and watches until interrupted. Throws `configuration` if it cannot listen. */
export async function serve(given: ServeArguments, context: CommandContext): Promise<ExitCode> {
  const { options, source } = given;
  const mirror = options.mirror ?? (nameSchema.safeParse(source).success ? source : 'main');
  const wakeUp = new WakeUp();
  const secret = await secretIn(options.secretFile);
  // An announcement is a hint only: what is new is read from the change feed of the source, which it makes us look at.
  const decide = createWebhook({ mirrors: [mirror], secrets: [secret] });
  const health = new WatchHealth();
  const server = createServer(health.listener(webhookListener(decide, async () => wakeUp.ring())));
  server.requestTimeout = requestTimeoutMs;
  await listen(server, options.listen);
  context.terminal.say(`listening on http://${options.listen}/ for hooks of the mirror ${mirror}`);
  try {
    return await run({ ...given, options: { ...options, watch: true } }, context, wakeUp, health);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** A watch that tells how it is at an address, and takes no announcements. */
export async function watchListening(given: RunArguments, address: string, context: CommandContext): Promise<ExitCode> {
  const health = new WatchHealth();
  const server = createServer(health.listener((_, response) => void response.writeHead(404).end()));
  server.requestTimeout = requestTimeoutMs;
  await listen(server, address);
  context.terminal.say(`listening on http://${address}/ for /healthz and /metrics`);
  try {
    return await run(given, context, undefined, health);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function secretIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the file of --secret-file, ${file}`, { cause });
  });
  return text.split('\n')[0]?.trim() ?? '';
}

async function listen(server: Server, address: string): Promise<void> {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(address) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new MirrorError('configuration', '--listen is not an address such as 127.0.0.1:8060');
  }
  server.listen(Number(port), host.replace(/^\[(.*)\]$/, '$1'));
  await once(server, 'listening').catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot listen on ${address}; is the port in use?`, { cause });
  });
}
