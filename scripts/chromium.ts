/**
 * The browser that is on this machine, for the tests of the console page and its picture. None is
 * ever downloaded.
 */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Where systems put it. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/opt/google/chrome/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** CHROME_PATH if it is set, or the first that is there; undefined if there is none. */
export function chromiumPath(): string | undefined {
  const given = process.env.CHROME_PATH;
  return [...(given ? [given] : []), ...PLACES].find((path) => existsSync(path));
}

export function launchChromium(executablePath: string): Promise<Browser> {
  // Its sandbox refuses to run as root, which only machines for tests do.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}
