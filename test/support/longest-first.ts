/**
 * Begins a run with the files that take longest, so that none of them is left alone at its end. Vitest knows the times
 * of its last run only; these are for the first one in a fresh checkout.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes more than a minute, most of it waiting for what real servers do in their own time. */
const longest = [
  'integration/hooks-announce',
  'integration/host-backup-faults',
  'e2e/watch',
  'e2e/readme',
  'integration/host-backup-sqlite',
  'integration/stack-hook-delay',
  'faults/damaged-bodies',
  'faults/restore-repair',
  'integration/stack-restore',
  'integration/host-versions',
  'e2e/verify',
  'integration/orthanc-inventory',
  'integration/stack-outage',
  'integration/stack-neighbours',
  'integration/histories',
  'integration/stack-webhook',
  'faults/restore-kills',
  'integration/host-audit',
  'e2e/run',
  'packaging/debian',
  'integration/sidecar-damage',
  'faults/replace-on-server',
].map((name) => fileURLToPath(new URL(`../${name}.test.ts`, import.meta.url)));

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const path of longest) if (!existsSync(path)) throw new Error(`there is no ${path}: see longest-first.ts`);
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.indexOf(moduleId);
      return at === -1 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
