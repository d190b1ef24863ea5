/** What the configuration of a source means for a mirror. Pure. */
import type { Finding } from './finding.ts';
import { hasLimit, type ServerFacts } from './server-facts.ts';

/** Judges a source. `propagatesDeletions`: what disappears there is to be deleted at the target too. */
export function sourceFindings(source: ServerFacts, propagatesDeletions: boolean): readonly Finding[] {
  return [...recycling(source, propagatesDeletions), ...hashes(source)];
}

function recycling({ name, capabilities }: ServerFacts, propagatesDeletions: boolean): Finding[] {
  if (!hasLimit(capabilities) || capabilities.maximumStorageMode === 'reject') return [];
  const message =
    `${name} deletes its oldest patients to make room (MaximumStorageSize, MaximumPatientCount): what disappears there ` +
    `is not what anybody wished to delete; ${propagatesDeletions ? 'do not propagate deletions from it' : 'the archive keeps it'}`;
  return [{ code: 'source-recycles', severity: propagatesDeletions ? 'risk' : 'note', message }];
}

function hashes({ name, capabilities }: ServerFacts): Finding[] {
  if (capabilities.hasMd5 !== false) return [];
  const message =
    `${name} keeps no hashes (StoreMD5ForAttachments off): a copy cannot be proven equal to what it once received, ` +
    'and comparing by hash means reading every instance; switch them on there';
  return [{ code: 'source-no-hashes', severity: 'note', message }];
}
