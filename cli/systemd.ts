/** Tells systemd about a watch (Type=notify): it has begun, it lives, it ends. */
import { execFile } from 'node:child_process';
import { environmentVariable } from '../core/environment.ts';
import type { Terminal } from './terminal.ts';

/**
 * Does nothing unless systemd asks to be told. The sign of life proves that the event loop turns: a program that hangs
 * is started again; one that waits for a server is not. Node knows no datagrams on Unix sockets, so that the program of
 * systemd itself sends them.
 * @param stopping aborts when the watch is asked to end
 */
export function notifySystemd(stopping: AbortSignal, terminal: Terminal): void {
  if (environmentVariable('NOTIFY_SOCKET') === undefined) return;
  const send = (message: string) => {
    execFile('systemd-notify', [message], (error) => {
      if (error !== null) terminal.warn(`systemd was not told ${message}: systemd-notify failed (${error.code})`);
    });
  };
  send('READY=1');
  const watchdogMs = Number(environmentVariable('WATCHDOG_USEC') ?? 0) / 1000;
  // Three in the time of one: a busy machine may lose two.
  if (watchdogMs > 0) setInterval(send, watchdogMs / 3, 'WATCHDOG=1').unref();
  stopping.addEventListener('abort', () => send('STOPPING=1'), { once: true });
}
