/** The lines that each command prints with `--json`: what `docs/json.md` is made of, and what tests hold the commands to. */
import { adviseOutput } from './advise/output.ts';
import { auditOutput } from './audit/output.ts';
import {
  backupCheckOutput,
  backupListOutput,
  backupOutput,
  backupPruneOutput,
  backupRestoreOutput,
} from './backup/output.ts';
import { checkOutput } from './check/output.ts';
import { configCheckOutput } from './config/output.ts';
import { diffOutput } from './diff/output.ts';
import { estimateOutput } from './estimate/output.ts';
import { exportOutput } from './export/output.ts';
import { failuresOutput, redriveOutput } from './failures/output.ts';
import { findOutput, lsOutput } from './find/output.ts';
import { importOutput } from './import/output.ts';
import type { JsonLine } from './json-lines.ts';
import { openLogOutput, openOutput, openUserOutput } from './open/output.ts';
import { pauseOutput, resumeOutput } from './pause/output.ts';
import { restoreOutput } from './restore/output.ts';
import { runOutput, watchLines } from './run/output.ts';
import { snapshotsOutput } from './snapshots/output.ts';
import { statusOutput } from './status/output.ts';
import { verifyOutput } from './verify/output.ts';

/** By command, in the order of the help. `config explain` and `config schema` print the configuration itself. */
export const jsonOutput: Readonly<Record<string, readonly JsonLine[]>> = {
  run: [...runOutput, ...watchLines],
  check: checkOutput,
  verify: verifyOutput,
  restore: restoreOutput,
  import: importOutput,
  backup: backupOutput,
  'backup list': backupListOutput,
  'backup check': backupCheckOutput,
  'backup prune': backupPruneOutput,
  'backup restore': backupRestoreOutput,
  audit: auditOutput,
  advise: adviseOutput,
  snapshots: snapshotsOutput,
  ls: lsOutput,
  find: findOutput,
  diff: diffOutput,
  open: openOutput,
  'open-user': openUserOutput,
  'open-log': openLogOutput,
  export: exportOutput,
  status: statusOutput,
  serve: [...runOutput, ...watchLines],
  failures: failuresOutput,
  redrive: redriveOutput,
  pause: pauseOutput,
  resume: resumeOutput,
  estimate: estimateOutput,
  'config check': configCheckOutput,
};
