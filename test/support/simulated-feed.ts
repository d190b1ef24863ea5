import type { Change, ChangeFeed, ChangePage } from '../../core/stores/change-feed.ts';
import { sampleId } from './memory-store.ts';

/** @returns the announcement of the n-th sample instance. */
export function change(seq: number, n = seq, date = '20261121T024600'): Change {
  return { seq, type: 'NewInstance', level: 'instances', id: sampleId(n), date };
}

/** A feed like Orthanc's: deleted entries leave holes, the count goes on. */
export class SimulatedFeed implements ChangeFeed {
  entries: Change[] = [];
  lastEver = 0;
  requests = 0;
  /** Entries in all answers. */
  entriesGiven = 0;

  add(...changes: readonly Change[]): void {
    this.entries = [...this.entries, ...changes].sort((a, b) => a.seq - b.seq);
    this.lastEver = Math.max(this.lastEver, ...changes.map(({ seq }) => seq));
  }

  async readChanges({ since, limit }: { since: number; limit: number }): Promise<ChangePage> {
    this.requests += 1;
    const after = this.entries.filter(({ seq }) => seq > since);
    const changes = after.slice(0, limit);
    this.entriesGiven += changes.length;
    return { changes, done: after.length <= limit, last: changes.at(-1)?.seq ?? this.lastEver };
  }

  async *changePages({ since }: { since: number }): AsyncGenerator<ChangePage> {
    for (let from = since; ; ) {
      const page = await this.readChanges({ since: from, limit: 1000 });
      yield page;
      if (page.done) return;
      from = page.last;
    }
  }

  async lastChange(): Promise<number> {
    return this.lastEver;
  }
}
