/** The work of `pause` and `resume`. */
import { targetStoreName } from '../../core/config/store-names.ts';
import { MirrorError } from '../../core/errors.ts';
import { askToPause, askToResume } from '../../core/mirror/pause/ask.ts';
import { wholeMirror } from '../../core/mirror/pause/pause-state.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { MirrorStateOptions } from '../mirror-state.ts';
import { type OpenMirrorState, openMirrorState } from '../open-mirror-state.ts';

export interface PauseCommandOptions extends MirrorStateOptions {
  readonly target?: string | undefined;
  readonly reason?: string | undefined;
}

export async function pause(
  name: string | undefined,
  options: PauseCommandOptions,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  await using state = await openMirrorState(name, options);
  const store = storeOf(state, options.target) ?? wholeMirror;
  await askToPause(state.pause, options.reason ?? 'somebody paused it', store);
  const text = `paused: ${describe(store)}; nothing is lost, "resume" goes on`;
  terminal.tell({ type: 'paused', mirror: state.name ?? null, store }, text);
  return exitCodes.ok;
}

/** Ends what `pause` began, and what the mirror began by itself. */
export async function resume(
  name: string | undefined,
  options: PauseCommandOptions,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  await using state = await openMirrorState(name, options);
  const ended = Object.entries(await askToResume(state.pause, storeOf(state, options.target)));
  const stores = ended.map(([store, { code, reason, begunAt }]) => ({ store, code, reason, begunAt }));
  const lines = stores.map(
    ({ store, reason, begunAt }) => `goes on within a minute: ${describe(store)}, paused since ${begunAt} (${reason})`,
  );
  const text = lines.length === 0 ? 'nothing was paused' : lines;
  terminal.tell({ type: 'resumed', mirror: state.name ?? null, stores }, text);
  return exitCodes.ok;
}

function storeOf({ name, configuration }: OpenMirrorState, target: string | undefined): string | undefined {
  if (target === undefined) return undefined;
  if (name === undefined || (configuration !== undefined && !Object.hasOwn(configuration.targets, target))) {
    throw new MirrorError(
      'configuration',
      `the configuration names no target ${target}; give its name and the mirror's`,
    );
  }
  return targetStoreName(name, target);
}

function describe(store: string): string {
  return store === wholeMirror ? 'the whole mirror' : store;
}
