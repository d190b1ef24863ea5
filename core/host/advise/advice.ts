/** The shape of an advice. Stable: `--json` prints it. */
import type { BehaviourChange, Vulnerability } from './behaviour-changes.ts';
import type { Estimate } from './upgrade-estimate.ts';

/**
 * How to get from what is there to what is wanted.
 *
 * - `nothing`: the wanted programs use the database as it is, or change it by themselves in a moment when they start.
 * - `plugin-upgrade`: the index plugin changes the database by itself when it starts, which takes a while.
 * - `upgrade`: run `Orthanc --upgrade` once.
 * - `downgrade-scripts`: run the SQL scripts of the plugin.
 * - `replicate`: no program can convert it; copy everything over to a new server.
 */
export type Way = 'nothing' | 'plugin-upgrade' | 'upgrade' | 'downgrade-scripts' | 'replicate';

export interface Advice {
  readonly way: Way;
  /** Why this way, in one sentence. */
  readonly because: string;
  /** What to do, in this order; commands are on lines of their own, indented by two spaces. */
  readonly steps: readonly string[];
  /** What the way does to the database, and what can stop it. */
  readonly remarks: readonly string[];
  readonly estimate: Estimate | undefined;
  /** What changes although the database stays as it is. */
  readonly behaviourChanges: readonly BehaviourChange[];
  /** Known vulnerabilities of the version that is there. */
  readonly vulnerabilities: readonly Vulnerability[];
  /** Known vulnerabilities of the version that is wanted. */
  readonly remainingVulnerabilities: readonly Vulnerability[];
  /** Whether there is anything to do: the way has steps, behaviour changes, or the version there is vulnerable. */
  readonly actionNeeded: boolean;
}

/** The part of an advice that follows from the database alone. */
export type DatabaseAdvice = Pick<Advice, 'way' | 'because' | 'steps' | 'remarks' | 'estimate'>;
