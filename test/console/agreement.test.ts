/**
 * What `sessile bench` has done is what everybody tells who looks at the server, to the last
 * request: `stat`, `top`, /status.json, /metrics and the console page.
 */
import type { Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../dist/index.js';
import type { Status } from '../../src/console/status.ts';
import { Command, run } from '../cli/command.ts';
import { asJson, ask, readMetrics } from '../operating/http.ts';
import { fileWith } from '../security/files.ts';
import { CHROMIUM, figure, open, setUp } from './browser.ts';

/** Of both roles, and of one that may not register. */
const OPS = 'a-token-of-everything';
const WATCHER = 'a-token-of-an-operator';
const LIST = `${OPS} ops client,operator\n${WATCHER} watcher operator\n`;

/** Of each load, and all that there is room for. */
const SESSIONS = 8;

/** How long to wait for what must come; nothing is measured by it. */
const WAITING = { timeout: 20_000 };

const setup = setUp();

/** A process of its own, which asks for tokens; where its clients and its operators find it. */
async function startServer() {
  const sizes = ['--shards', '2', '--sessions-max', String(SESSIONS)];
  const server = new Command(['serve', '--port', '0', ...sizes, '--tokens', fileWith(LIST)]);
  const port = await server.port();
  const line = await server.line(/^operator console on /);
  const url = line.slice('operator console on '.length);
  return { port, url, operators: { host: '127.0.0.1', port: Number(new URL(url).port) } };
}

/** Puts a load on the server, to its end. */
function bench(port: number, token: string, count: number, ...args: string[]) {
  const shape = ['-c', '2', '-P', String(SESSIONS / 2), '--operation', 'put', '--keep', '--json'];
  const env = { SESSILE_TOKEN: token };
  return run(['bench', String(port), '-n', String(count), ...shape, ...args], env);
}

/** Puts a load on the server; its report. */
async function reported(port: number, count: number, ...args: string[]) {
  const report = JSON.parse((await bench(port, OPS, count, ...args)).out);
  expect(report).toMatchObject({ ended: 'done', unanswered: 0, retries: 0 });
  expect(report.ok + report.failed).toBe(count);
  return report;
}

/**
 * A load, another over its sessions, one that evicts them, one that is refused, and in the end a
 * call, by which it can be seen that all of them are over. What it comes to.
 */
async function load(port: number) {
  const first = await reported(port, 2_000, '--seed', 'first');
  const again = await reported(port, 1_000, '--seed', 'first');
  const second = await reported(port, 500, '--seed', 'second');
  expect([first, again, second].map(({ ok }) => ok)).toEqual([2_000, 1_000, 500]);
  expect([first, again, second].map(({ errors }) => errors)).toEqual([{}, {}, {}]);
  const refused = await bench(port, WATCHER, 20);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toContain(`none of ${SESSIONS} sessions could be registered: forbidden=`);
  const connection = await connect({ port, token: OPS });
  onTestFinished(() => connection.close());
  const { sessions } = await connection.list();
  await connection.data(sessions[0].id).get();
  return {
    requests: first.ok + again.ok + second.ok,
    calls: 1,
    registered: first.registered + second.registered,
    resumed: again.registered,
    evicted: SESSIONS,
    // Each session of a load asks for its place once; without any there are no requests.
    refused: SESSIONS,
  };
}

type Counts = Awaited<ReturnType<typeof load>>;

function countsOf({ totals, errors }: Status): Counts {
  const { requests, calls, registered, resumed, evicted } = totals;
  expect(errors).toEqual({ forbidden: totals.errors });
  return { requests, calls, registered, resumed, evicted, refused: totals.errors };
}

async function countsOfMetrics(address: { host: string; port: number }): Promise<Counts> {
  const samples = readMetrics((await ask(address, '/metrics')).text);
  const value = (name: string) => samples.get(name)!;
  expect(value('sessile_errors_total{code="forbidden"}')).toBe(
    value('sessile_requests_total{result="refused"}'),
  );
  expect(value('sessile_operations_total{operation="put"}')).toBe(
    value('sessile_requests_total{result="executed"}'),
  );
  return {
    requests: value('sessile_requests_total{result="executed"}'),
    calls: value('sessile_requests_total{result="called"}'),
    registered: value('sessile_registrations_total{result="new"}'),
    resumed: value('sessile_registrations_total{result="resumed"}'),
    evicted: value('sessile_evictions_total{reason="evicted"}'),
    refused: value('sessile_requests_total{result="refused"}'),
  };
}

/** What all lines of `stat --json` together say has happened. */
function countsOfLines(text: string) {
  const looks: Record<string, number>[] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const total = (name: string) =>
    looks.reduce((sum, look) => sum + Math.round((look[name] * look.interval_ms) / 1_000), 0);
  return {
    requests: total('requests_per_s'),
    calls: total('calls_per_s'),
    registered: total('registers_per_s'),
    evicted: total('evictions_per_s'),
    refused: total('errors_per_s'),
  };
}

/** The first number of a row of a table. */
async function cell(page: Page, name: string): Promise<number> {
  const text = await page.getByRole('row', { name }).getByRole('cell').first().textContent();
  return Number(text?.replace(/[^0-9]/g, ''));
}

test('stat, top, /status.json and /metrics count what a load has done', async () => {
  const { port, operators } = await startServer();
  const env = { SESSILE_TOKEN: OPS };
  const stat = new Command(['stat', String(port), '-i', '0.1', '--json'], env);
  await stat.line(/^\{/);
  const { resumed, ...done } = await load(port);
  expect(resumed).toBe(SESSIONS);

  // The look in which the call is, is after the loads.
  await stat.line(/"calls_per_s":(?!0[,}])/);
  stat.kill('SIGINT');
  expect(countsOfLines((await stat.ended).out)).toEqual(done);

  const top = await run(['top', String(port), '-i', '0.1', '-n', '1', '--json'], env);
  const shown: Status = JSON.parse(top.out);
  const written = (await asJson(operators, '/status.json')) as Status;
  expect(countsOf(shown)).toEqual({ ...done, resumed });
  expect(countsOf(written)).toEqual({ ...done, resumed });
  expect(await countsOfMetrics(operators)).toEqual({ ...done, resumed });
  for (const name of ['sessions', 'duration', 'operations'] as const) {
    expect([name, written[name]]).toEqual([name, shown[name]]);
  }
  expect(written.sessions).toBe(SESSIONS);
  expect(written.duration.count).toBe(done.requests + done.calls);
});

test.skipIf(CHROMIUM === undefined)('the console page shows what a load has done', async () => {
  const { port, url, operators } = await startServer();
  const page = await open(setup, {}, { url });
  await page.getByRole('heading', { name: 'Waiting for clients' }).waitFor();
  const done = await load(port);
  await expect.poll(() => figure(page, 'calls'), WAITING).toBe(done.calls);
  const shown: Counts = {
    requests: await figure(page, 'requests'),
    calls: await figure(page, 'calls'),
    registered: await figure(page, 'registered'),
    resumed: await figure(page, 'resumed'),
    evicted: await cell(page, 'Evicted to make room'),
    refused: await cell(page, 'forbidden'),
  };
  expect(shown).toEqual(done);
  expect(await cell(page, 'put')).toBe(done.requests);
  const written = (await asJson(operators, '/status.json')) as Status;
  expect(countsOf(written)).toEqual(shown);
  expect(await figure(page, 'sessions')).toBe(written.sessions);
  expect(await figure(page, 'commits')).toBe(written.totals.commits);
});
