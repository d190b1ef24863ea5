/** The archives that one process has open for reading, each as of a moment. */
import { archiveInStack } from '../core/config/archive-location.ts';
import { mirrorNamed } from '../core/config/mirror-named.ts';
import { openExistingArchive } from '../core/config/open-archive.ts';
import type { Configuration } from '../core/config/schema.ts';
import { addDicomwebRoutes } from '../core/open/dicomweb/routes.ts';
import { addOrthancRoutes } from '../core/open/orthanc-rest/routes.ts';
import { ArchiveReader } from '../core/open/reader/archive-reader.ts';
import { UndecodableFrame } from '../core/open/rendering/decode-frame.ts';
import { WebError } from '../core/open/web/message.ts';
import { Routes } from '../core/open/web/routes.ts';

/** Callers may name any moment, and each takes memory. */
const mostOpen = 4;
/** What came to an archive since is seen after this time. */
const longestOpenMs = 900_000;

interface Opened {
  readonly routes: Routes;
  readonly openedAtMs: number;
  readonly hasFailed: () => boolean;
  readonly close: () => Promise<void>;
}

export class OpenedArchives {
  readonly #configuration: Configuration;
  readonly #bucket: string;
  readonly #opened = new Map<string, Promise<Opened>>();

  constructor(configuration: Configuration, bucket: string) {
    this.#configuration = configuration;
    this.#bucket = bucket;
  }

  /** What answers for a mirror as of a moment. Throws {@link WebError} 404, and what opening an archive throws. */
  async routes(mirror: string, at: Date | undefined): Promise<Routes> {
    const name = `${mirror}@${at?.toISOString() ?? ''}`;
    const known = await this.#opened.get(name);
    if (known !== undefined && !known.hasFailed() && performance.now() - known.openedAtMs < longestOpenMs) {
      return known.routes;
    }
    this.#forget(name);
    const [oldest] = this.#opened.keys();
    if (this.#opened.size >= mostOpen && oldest !== undefined) this.#forget(oldest);
    const opening = this.#open(mirror, at);
    this.#opened.set(name, opening);
    opening.catch(() => this.#opened.delete(name));
    return (await opening).routes;
  }

  #forget(name: string): void {
    this.#opened
      .get(name)
      ?.then(({ close }) => close())
      .catch(() => undefined);
    this.#opened.delete(name);
  }

  async #open(mirror: string, at: Date | undefined): Promise<Opened> {
    const configured = mirrorNamed(this.#configuration, mirror)?.archive;
    if (configured === undefined) throw new WebError(404, 'there is no such mirror');
    const archive = await openExistingArchive(archiveInStack(mirror, configured, { bucket: this.#bucket }));
    const reader = new ArchiveReader(archive, { at, filesByAddress: true });
    const routes = addDicomwebRoutes(new Routes(), reader, cannotRender);
    const orthanc = addOrthancRoutes(routes, reader, cannotRender);
    return {
      routes,
      openedAtMs: performance.now(),
      hasFailed: () => reader.progress.phase === 'failed',
      close: async () => {
        await orthanc.close();
        await reader.close();
        await archive.close();
      },
    };
  }
}

/** The codecs are programs of their own, which a function does not carry. */
async function cannotRender(): Promise<never> {
  throw new UndecodableFrame('pictures are not made in the cloud');
}
