/**
 * `npm run screenshot`: the picture of the console page in the documents. Starts a server of its
 * own, lets clients do a bit of everything for a while, and photographs what the page says of it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startServerProcess } from '../dist/cli/server-process.js';
import { type Connection, connect, RateLimitedError, type Session } from '../dist/index.js';
import { chromiumPath, launchChromium } from './chromium.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: 'docs/console.png' },
    seconds: { type: 'string', default: '45' },
    scheme: { type: 'string', default: 'light' },
    width: { type: 'string', default: '1280' },
    height: { type: 'string', default: '965' },
  },
});

const CONNECTIONS = 24;
const SESSIONS_EACH = 8;

/** Fewer than ever register, so that the picture shows some that were evicted. */
const SESSIONS_MAX = 2_000;

/** A round of a session's work, and how much longer the quiet ones of a wave are. */
const ROUND_MS = 40;
const WAVE_MS = 17_000;

async function main(): Promise<void> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) {
    throw new Error('no Chromium was found; set CHROME_PATH to one');
  }
  const folder = mkdtempSync(join(tmpdir(), 'sessile-'));
  const operatorPort = await freePort();
  const server = await startServerProcess([
    ...['--operator-port', String(operatorPort), '--data-dir', folder],
    ...['--shards', '2', '--sessions-max', String(SESSIONS_MAX)],
  ]);
  const end = performance.now() + Number(values.seconds) * 1e3;
  const clients = Array.from({ length: CONNECTIONS }, () => client(server.port, end));
  try {
    await photograph(executablePath, `http://127.0.0.1:${operatorPort}/`, end);
    await Promise.all(clients);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Opens the page at once, so that it lives through the load, and takes its picture at the end. */
async function photograph(executablePath: string, url: string, end: number): Promise<void> {
  const browser = await launchChromium(executablePath);
  try {
    const page = await browser.newPage({
      viewport: { width: Number(values.width), height: Number(values.height) },
      colorScheme: values.scheme === 'dark' ? 'dark' : 'light',
      reducedMotion: 'reduce',
    });
    await page.goto(url);
    await page.waitForTimeout(Math.max(0, end - performance.now() - 1_500));
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
    await page.waitForTimeout(300);
    console.log(await page.locator('#headline').textContent());
    await page.screenshot({ path: values.out });
  } finally {
    await browser.close();
  }
}

/** One connection with some sessions that work, and others that come and are left alone. */
async function client(port: number, end: number): Promise<void> {
  const connection = await connect({ port });
  const sessions: Session[] = [];
  for (let at = 0; at < SESSIONS_EACH; at++) {
    sessions.push(await connection.session({ data: { visits: 0 } }));
  }
  const limited = await connection.session({ rate: { perSecond: 2, burst: 1 } });
  await Promise.all([
    ...sessions.map((session, number) => visit(connection, session, number, end)),
    press(limited, end),
    passersBy(connection, end),
  ]);
  await connection.close();
}

async function visit(
  connection: Connection,
  session: Session,
  number: number,
  end: number,
): Promise<void> {
  const operations: [string, unknown][] = [
    ['get', null],
    ['increment', ['visits', 1]],
    ['merge', { cart: ['book', 'pen'], number }],
    ['get', null],
    [
      'batch',
      [
        ['increment', ['visits', 1]],
        ['get', null],
      ],
    ],
    ['touch', null],
  ];
  while (performance.now() < end) {
    for (const [name, body] of operations) {
      await session.request(name, body);
    }
    await connection.call(session.id, 'get');
    const wave = 1 + Math.sin((performance.now() / WAVE_MS) * 2 * Math.PI);
    await pause(ROUND_MS * (1 + wave + Math.random()));
  }
}

/** Asks a little more often than its session may. */
async function press(session: Session, end: number): Promise<void> {
  while (performance.now() < end) {
    await session.request('get').catch((error: unknown) => {
      if (!(error instanceof RateLimitedError)) throw error;
    });
    await pause(1_000 * Math.random());
  }
}

/** Registers sessions that nobody keeps: some are closed, some expire, the rest is evicted. */
async function passersBy(connection: Connection, end: number): Promise<void> {
  for (let at = 0; performance.now() < end; at++) {
    const session = await connection.session(at % 4 === 0 ? { ttlMs: 2_000 } : {});
    if (at % 3 === 0) await session.close();
    else session.detach();
    await pause(250 * Math.random());
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A port that is free now. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

await main();
