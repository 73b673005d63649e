/**
 * One browser and one server for the tests of the page: pages that write down what went wrong in
 * them and whom they asked, and clients that give the server something to show.
 */
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { type Connection, connect, type RunningServer, serve } from '../../dist/index.js';
import { chromiumPath, launchChromium } from '../../scripts/chromium.ts';

export const CHROMIUM = chromiumPath();

const SERVICE = fileURLToPath(new URL('./hostile-service.mjs', import.meta.url));

export interface Setup {
  browser: Browser;
  server: RunningServer;
  connection: Connection;
}

/** Everything that the tests share; filled before the first of them. */
export function setUp(): Setup {
  const setup = {} as Setup;
  beforeAll(async () => {
    if (CHROMIUM === undefined) return;
    [setup.browser, setup.server] = await Promise.all([
      launchChromium(CHROMIUM),
      startServer(0, 0),
    ]);
    setup.connection = await connect({ port: setup.server.address.port });
  });
  afterAll(async () => {
    await setup.connection?.close();
    await setup.browser?.close();
    await setup.server?.stop();
  });
  return setup;
}

export function startServer(port: number, operatorPort: number): Promise<RunningServer> {
  return serve({ port, operatorPort, shards: 2, sessionsMax: 1_000, service: SERVICE });
}

export function addressOf(server: RunningServer): string {
  return `http://127.0.0.1:${server.operatorAddress?.port}/`;
}

interface Circumstances {
  readonly url?: string;
  /** What the browser itself may write down. */
  readonly expected?: readonly RegExp[];
  readonly prepare?: (page: Page) => Promise<void>;
}

/** Opens the page. Fails a test in which something went wrong. */
export async function open(
  { browser, server }: Setup,
  options: BrowserContextOptions = {},
  { url = addressOf(server), expected = [], prepare }: Circumstances = {},
): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => problems.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => hosts.add(new URL(request.url()).origin));
  onTestFinished(async () => {
    await context.close();
    expect(problems.filter((text) => !expected.some((each) => each.test(text)))).toEqual([]);
    expect([...hosts]).toEqual([new URL(url).origin]);
  });
  await prepare?.(page);
  await page.goto(url);
  return page;
}

/** Whether there is anything to scroll sideways. */
export async function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - innerWidth') as Promise<number>;
}

/** The whole number that a figure of the page shows. */
export async function figure(page: Page, name: string): Promise<number> {
  const text = await page.locator(`[data-field="${name}"]`).textContent();
  return Number(text?.replace(/[^0-9]/g, ''));
}
