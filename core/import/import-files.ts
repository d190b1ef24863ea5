/**
 * Imports DICOM files from a folder or bucket: walk, unfold, identify, copy, report. Constant memory but for one entry
 * per folder; resumable, because a destination is asked first what it holds.
 */

import { defaultBudget } from '../copy/copy-context.ts';
import { copyMany } from '../copy/copy-many.ts';
import { type CopyRequest, decide } from '../copy/decide.ts';
import type { CopyResult, Destination, DestinationOutcome } from '../copy/outcome.ts';
import type { OrthancEncoding } from '../dicom/charset.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { StorageIndex } from '../orthanc-disk/index/storage-index.ts';
import type { MasterKeys } from '../orthanc-disk/object-encryption.ts';
import { storagePath } from '../orthanc-disk/storage/storage-names.ts';
import { HoldingPlace } from '../streams/holding-place.ts';
import type { ConsiderContext, Considered } from './consider.ts';
import { defaultExpansionLimits, type ExpansionLimits } from './expansion-limits.ts';
import { Expectations } from './expectations.ts';
import { findInstances } from './find-instances.ts';
import type { ImportSource } from './found.ts';
import { type FoundInstance, FoundInstances } from './found-instances.ts';
import { refused } from './judge.ts';
import { copyUnderOtherIds, idAt } from './other-ids.ts';
import { linesOf } from './outcome-lines.ts';
import { PutOffFiles } from './put-off.ts';
import { ImportCounts, type ImportSummary, type ReportLine } from './report.ts';

export interface ImportOptions {
  readonly source: ImportSource;
  readonly destinations: readonly Destination[];
  /** The index of the storage that is imported. */
  readonly index?: StorageIndex | undefined;
  readonly masterKeys?: MasterKeys | undefined;
  /** The server's option `DefaultEncoding`; Orthanc's own default is Latin1. */
  readonly defaultEncoding?: OrthancEncoding | undefined;
  /** How many files are read at once, and at most how many copies run at once. */
  readonly concurrency: number;
  readonly limits?: ExpansionLimits | undefined;
  /** Looks and compares, stores nothing. */
  readonly dryRun?: boolean | undefined;
  /**
   * Accepts objects in a compressed storage that describe pixels and have none, although nothing tells whether they
   * are only the beginning of a lost file.
   */
  readonly acceptWithoutPixelData?: boolean | undefined;
  /** Called with each line as soon as it is known; the import waits for it. */
  readonly onLine: (line: ReportLine, counts: ImportCounts) => void | Promise<void>;
  /** Called with what became of each instance, under the id by which the server knows it. */
  readonly onInstance?: ((result: CopyResult) => void) | undefined;
  /** After this nothing new is begun; what is under way is finished. */
  readonly draining?: AbortSignal | undefined;
}

/** Imports everything. Every file is reported once; errors of single files never end the import. */
export async function importFiles(options: ImportOptions): Promise<ImportSummary> {
  const run = new ImportRun(options);
  try {
    return await run.run();
  } finally {
    run.close();
  }
}

class ImportRun {
  readonly #options: ImportOptions;
  readonly #context: ConsiderContext;
  readonly #found: FoundInstances;
  readonly #counts = new ImportCounts();
  readonly #budget = defaultBudget();
  readonly #expectations = new Expectations();
  readonly #putOff = new PutOffFiles();
  /** Instances that a server holds under another id than the file's, until they are done. */
  readonly #heldAs = new Map<InstanceId, InstanceId>();
  /** Reports that wait for an answer of a destination. */
  readonly #late = new Set<Promise<void>>();

  constructor(options: ImportOptions) {
    this.#options = options;
    this.#found = new FoundInstances(options.source.name);
    this.#context = {
      limits: options.limits ?? defaultExpansionLimits,
      holdingPlace: new HoldingPlace(),
      masterKeys: options.masterKeys ?? new Map(),
      defaultEncoding: options.defaultEncoding,
      index: options.index,
      putOff: this.#putOff,
    };
  }

  async run(): Promise<ImportSummary> {
    const { concurrency, draining } = this.#options;
    let stoppedBy: MirrorError | undefined;
    try {
      const end = await copyMany(this.#requests(), {
        source: this.#found,
        budget: this.#budget,
        ceiling: concurrency,
        draining,
        onResult: (result) => this.#take(result),
      });
      stoppedBy = end.stoppedBy ?? [...end.withdrawn.values()][0];
    } catch (error) {
      if (!isMirrorError(error)) {
        throw error;
      }
      stoppedBy = error;
    }
    await Promise.all(this.#late);
    return this.#counts.summary({ stoppedBy, interrupted: draining?.aborted === true });
  }

  close(): void {
    this.#putOff.close();
    void this.#found.close();
  }

  /** Finds instances and reports everything else on the way. */
  async *#requests(): AsyncGenerator<CopyRequest> {
    const { source, concurrency, acceptWithoutPixelData = false, draining } = this.#options;
    yield* this.#requestsOf(findInstances(source, this.#context, { concurrency, acceptWithoutPixelData }));
    if (draining?.aborted !== true) {
      await this.#reportMissing();
    }
  }

  async *#requestsOf(considered: AsyncIterable<Considered>): AsyncGenerator<CopyRequest> {
    for await (const each of considered) {
      if (each.kind !== 'instance') {
        await this.#report(each.line);
      } else if (this.#options.dryRun === true) {
        await this.#compare(each.instance);
      } else if (this.#found.add(each.instance)) {
        yield await this.#requestOf(each.instance);
      }
      if (this.#options.draining?.aborted === true) {
        return;
      }
    }
  }

  async #requestOf(instance: FoundInstance): Promise<CopyRequest> {
    const { id, md5, sizeBytes } = instance;
    const decided: DestinationOutcome[] = [];
    const undecided: Destination[] = [];
    const lacking: Destination[] = [];
    for (const destination of this.#options.destinations) {
      const heldAs = destination.role === 'target' ? await idAt(destination, instance) : undefined;
      if (heldAs !== undefined) {
        this.#heldAs.set(id, heldAs);
        decided.push({ destination, kind: 'already-equal' });
      } else if (this.#expectations.isWorthAsking(destination, sizeBytes)) {
        undecided.push(destination);
      } else {
        lacking.push(destination);
      }
    }
    return { id, md5, sizeBytes, lacking, undecided, decided };
  }

  /** A dry run: what the copy would do. */
  async #compare(instance: FoundInstance): Promise<void> {
    const request = await this.#requestOf(instance);
    const { lacking, outcomes } = await decide(request, this.#found, undefined);
    const wouldCopy = lacking.map((destination): DestinationOutcome => ({ destination, kind: 'copied' }));
    const result = {
      id: instance.id,
      md5: instance.md5,
      sizeBytes: instance.sizeBytes,
      outcomes: [...outcomes, ...wouldCopy],
    };
    instance.bytes.release();
    for (const line of linesOf(result, [instance])) {
      await this.#report(line.outcome === 'stored' ? { ...line, outcome: 'would-store' } : line);
    }
  }

  #take(result: CopyResult): void {
    this.#expectations.learn(result);
    const { id, md5 } = result;
    const instances = md5 === undefined ? [] : this.#found.take(id, md5);
    const late = this.#reportResult(result, instances).finally(() => {
      for (const { bytes } of instances) {
        bytes.release();
      }
      this.#late.delete(late);
    });
    this.#late.add(late);
  }

  async #reportResult(result: CopyResult, instances: readonly FoundInstance[]): Promise<void> {
    const [first] = instances;
    if (first === undefined) {
      return;
    }
    const { result: final, usedId } = await copyUnderOtherIds(result, first, this.#budget);
    this.#options.onInstance?.({ ...final, id: usedId ?? this.#heldAs.get(final.id) ?? final.id });
    this.#heldAs.delete(final.id);
    for (const line of linesOf(final, instances)) {
      const note = usedId && `the server calls it ${usedId}: it reads the PatientID in another encoding`;
      await this.#report({ ...line, ...(note && { note }) });
    }
  }

  /** Instances that the index knows and whose file is not there. */
  async #reportMissing(): Promise<void> {
    const { index, source } = this.#options;
    for (const file of index?.instanceFiles() ?? []) {
      if (file.customPlace === undefined && (await source.storageFile(file.uuid)) === undefined) {
        const reason = `the index knows instance ${file.resource}, its file is missing; get it from a backup or the modality`;
        await this.#report(refused({ path: storagePath(file.uuid) }, reason));
      }
    }
  }

  async #report(line: ReportLine): Promise<void> {
    this.#counts.add(line);
    await this.#options.onLine(line, this.#counts);
  }
}
