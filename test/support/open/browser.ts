/** The browser in which the viewer is tested. */
import { type Browser, chromium } from 'playwright-core';

/** Starts Chromium as root in a container can, without a graphics card and without talking to anybody. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
