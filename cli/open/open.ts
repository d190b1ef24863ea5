/** The work of `open`: a read-only server on an archive. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { addDicomwebRoutes } from '../../core/open/dicomweb/routes.ts';
import { addOrthancRoutes } from '../../core/open/orthanc-rest/routes.ts';
import { ArchiveReader } from '../../core/open/reader/archive-reader.ts';
import { indexArchive } from '../../core/open/reader/index-archive.ts';
import { addPageRoutes } from '../../core/open/viewer/routes.ts';
import { Routes } from '../../core/open/web/routes.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { reasonOf } from '../next-steps.ts';
import { momentOf, openArchiveToRead } from '../open-archive.ts';
import { startProgress } from '../progress.ts';
import { AccessControl } from './access.ts';
import { AccessLog } from './access-log.ts';
import { createListener, listenOn } from './listener.ts';
import type { OpenOptionValues } from './options.ts';
import { RenderThread } from './render-thread.ts';
import { addStaticFiles } from './static-files.ts';
import { readUsers } from './users.ts';

const notMedical = 'not a medical device; for emergency reading';

/** Serves until interrupted. Throws `configuration`, and what opening the archive throws. */
export async function open(options: OpenOptionValues, context: CommandContext): Promise<ExitCode> {
  const { terminal, interruption: signal } = context;
  const { host, port } = parseListen(options.listen);
  const at = momentOf(options.at);
  const tls = await readTls(options);
  const access = await accessControl(options);
  requireProtection(host, tls !== undefined, !access.isOpen);
  await using opened = new AsyncDisposableStack();
  const log = await AccessLog.open(options.accessLog ?? defaultAccessLog(port));
  opened.defer(() => log.close());
  const archive = await openArchiveToRead(options.archive, options.endpoint, { signal });
  opened.defer(() => archive.close());
  const onDefect = (error: unknown) =>
    terminal.warn(`internal error (${error instanceof Error ? error.name : 'unknown'})`);
  const routes = new Routes();
  const hasViewer = await addStaticFiles(routes);
  const server = createListener({ routes, access, log, tls, onDefect });
  opened.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const listening = await listenOn(server, host, port).catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot listen on ${options.listen}; is the port in use?`, { cause });
  });
  // Nobody is answered before this part is over: it does not wait for anything.
  const reader = new ArchiveReader(archive, { at });
  opened.defer(() => reader.close());
  const thread = new RenderThread();
  opened.defer(() => thread.close());
  const render = thread.render.bind(thread);
  const orthanc = addOrthancRoutes(addPageRoutes(addDicomwebRoutes(routes, reader, render), reader), reader, render);
  opened.defer(() => orthanc.close());
  const logged = log.begin();
  const name = host.includes(':') ? `[${host}]` : host;
  const url = `${tls === undefined ? 'http' : 'https'}://${name}:${listening}/`;
  if (options.json === true) terminal.printJson({ type: 'listening', url, archive: archive.name, at: at ?? null });
  terminal.say(
    `${archive.name}${at === undefined ? '' : ` as of ${at.toISOString()}`}: open ${url} in a browser (${notMedical})`,
  );
  if (!hasViewer) terminal.warn('the viewer is not built: run sh scripts/setup.sh; DICOMweb and REST work without it');
  terminal.say(`DICOMweb: ${url}dicom-web   log of who looked at what: ${options.accessLog ?? defaultAccessLog(port)}`);
  tellProgress(reader, options, context);
  await logged;
  await interrupted(signal);
  return exitCodes.interrupted;
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

/** Behind the back of whoever is being answered. */
function tellProgress(
  reader: ArchiveReader,
  options: OpenOptionValues,
  { terminal, interruption }: CommandContext,
): void {
  const work = async () => {
    await reader.surveyed();
    const { studies, instances, unlisted, damagedSidecars } = reader.progress;
    const what = `${formatCount(studies)} studies, ${formatCount(instances)} instances`;
    terminal.say(`looked through: ${what}, ${formatCount(unlisted)} of them in no sidecar`);
    if (damagedSidecars > 0) {
      terminal.warn(`${formatCount(damagedSidecars)} sidecars are damaged: what an earlier one told is shown`);
    }
    if (options.index !== true) return;
    using shown = startProgress(terminal, 'reading headers');
    for await (const { done, of } of indexArchive(reader, { signal: interruption })) {
      shown.show({ instances: done, totalInstances: of, unit: 'studies' });
    }
    terminal.say('all headers are read and kept in the archive');
  };
  work().catch((error: unknown) => {
    if (interruption.aborted) return;
    terminal.warn(isMirrorError(error) ? reasonOf(error) : 'the archive could not be looked through');
  });
}

/** `host:port`; an address of IPv6 in brackets. */
function parseListen(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new MirrorError('configuration', '--listen is not an address such as 127.0.0.1:8043');
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

/** Patient data go over a network only encrypted and to who proved to be somebody. */
function requireProtection(host: string, hasTls: boolean, asksWho: boolean): void {
  if (['127.0.0.1', '::1', 'localhost'].includes(host)) return;
  if (hasTls && asksWho) return;
  const what = `on ${host} others can reach it: give --tls-cert and --tls-key, and --users or --token-file`;
  throw new MirrorError('configuration', `${what}; or listen on 127.0.0.1`);
}

async function readTls({ tlsCert, tlsKey }: OpenOptionValues) {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new MirrorError('configuration', '--tls-cert and --tls-key belong together');
  }
  return { cert: await textIn(tlsCert, '--tls-cert'), key: await textIn(tlsKey, '--tls-key') };
}

async function accessControl({ users, tokenFile, allowOrigin }: OpenOptionValues): Promise<AccessControl> {
  const token = tokenFile === undefined ? undefined : (await textIn(tokenFile, '--token-file')).trim();
  if (token !== undefined && token.length < 32) {
    throw new MirrorError(
      'configuration',
      'the token of --token-file has less than 32 characters: openssl rand -hex 32',
    );
  }
  if (allowOrigin !== undefined && (!URL.canParse(allowOrigin) || new URL(allowOrigin).origin !== allowOrigin)) {
    throw new MirrorError('configuration', '--allow-origin is one origin without a path: https://viewer.example.org');
  }
  return new AccessControl({ users: users === undefined ? undefined : await readUsers(users), token, allowOrigin });
}

async function textIn(file: string, option: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the file of ${option}, ${file}`, { cause });
  });
}

/** By port, because one log is written by one program. */
function defaultAccessLog(port: number): string {
  // XDG Base Directory Specification: state that should persist, but is not important enough for backups of data.
  return join(homedir(), '.local', 'state', 'orthanc-mirror', `access-${port}.jsonl`);
}
