import type { MirrorError } from '../core/errors.ts';
import type { Deployment } from './deployment.ts';
import { errorFields, log } from './telemetry.ts';

/**
 * Lets a mirror pause if an error says that nothing of it can succeed until somebody acts. A pause that cannot be written
 * is no reason to lose the error that asked for it.
 */
export async function pauseIfHalted(name: string, error: MirrorError, deployment: Deployment): Promise<void> {
  if (error.disposition !== 'halt' || error.code === 'paused') {
    return;
  }
  const { pause } = await deployment.mirror(name);
  await pause.begin(error, deployment.configuration.cloud.transfer.pauseSeconds * 1000).catch((failure: unknown) => {
    log('error', 'pause not written', { mirror: name, ...errorFields(failure) });
  });
}
