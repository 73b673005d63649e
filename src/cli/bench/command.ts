/**
 * `sessile bench`: puts load on a server and says what it did with it.
 */
import { Command, InvalidArgumentError } from 'commander';
import { wholeNumber } from '../arguments.ts';
import {
  type Address,
  type Endpoint,
  type EndpointOptions,
  endpointOf,
  nameOf,
  parseAddress,
  withEndpointOptions,
} from '../endpoint.ts';
import { type ServerProcess, startServerProcess } from '../server-process.ts';
import { styleFor } from '../terminal/style.ts';
import { Load, type Outcome } from './load.ts';
import { type GivenPlan, type Plan, planOf } from './plan.ts';
import { showProgress } from './progress.ts';
import { csvOf, type Report, reportOf } from './report.ts';
import { reportText } from './report-text.ts';

/** Exit code when the server went away, or did nothing of what it was asked. */
const EXIT_FAILED = 2;

interface BenchOptions extends GivenPlan, EndpointOptions {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly progress: boolean;
}

const EXAMPLES = `
Without an address a server is started for the run, with default options, and stopped again.

Examples:
  sessile bench                              ten seconds against a server of its own
  sessile bench -c 50 -P 1 -d 30             fifty clients with one request at a time
  sessile bench --rate 20000 --operation put latency at a rate, without coordinated omission
  sessile bench 10.0.0.5:7377 -n 1000000     a million requests to a server elsewhere

Exit codes: 0 done (also when interrupted); 1 wrong usage or nobody there;
2 the server went away, or no request succeeded.`;

export function benchCommand(): Command {
  const command = new Command('bench')
    .description('Put load on a server: requests a second, latencies, errors by code.')
    .argument('[address]', 'host:port of a server (default: start one for the run)', parseAddress)
    .option('-c, --connections <count>', 'connections (default: 4)', wholeNumber)
    .option('-P, --pipeline <count>', 'requests in flight on each (default: 16)', wholeNumber)
    .option('-d, --duration <seconds>', 'how long (default: 10)', decimal)
    .option('-n, --requests <count>', 'how many requests, instead of how long', wholeNumber)
    .option('--rate <per-second>', 'open loop: requests on a fixed schedule', wholeNumber)
    .option('--sessions <count>', 'used in turn (default: connections × in flight)', wholeNumber)
    .option('--operation <name>', 'name or number of an operation of the server', 'echo')
    .option('--size <bytes>', 'payload of a request', wholeNumber, 64)
    .option('--body <json>', 'the body of each request, instead of one made from --size')
    .option('--seed <text>', 'the same ids and bodies in each run (default: random)')
    .option('--keep', 'leave the sessions at the server', false)
    .option('--warm-up <seconds>', 'load that does not count, first', decimal, 0)
    .option('--reconnect-ms <ms>', 'how long to try after a lost connection', wholeNumber, 2000)
    .option('--json', 'the report as JSON', false)
    .option('--csv', 'the report as CSV', false)
    .option('--no-progress', 'no line of progress on standard error');
  return withEndpointOptions(command).addHelpText('after', EXAMPLES).action(bench);
}

async function bench(address: Address | undefined, options: BenchOptions): Promise<void> {
  const plan = planOf(options);
  const given = endpointOf(address, options);
  const isOwnServer = address === undefined && options.socket === undefined;
  if (!isOwnServer) return run(plan, given, options, false);
  const server = await ownServer();
  process.stderr.write(`started a server on ${server.host}:${server.port} for this run\n`);
  // Whatever ends us, it does not stay behind.
  process.once('exit', () => server.process.kill());
  try {
    await run(plan, { ...given, host: server.host, port: server.port }, options, true);
  } finally {
    await server.stop();
  }
}

/** A server whose terminal signals are ours: it is stopped when the run has ended. */
function ownServer(): Promise<ServerProcess> {
  return startServerProcess([], { ownGroup: true });
}

async function run(
  plan: Plan,
  endpoint: Endpoint,
  options: BenchOptions,
  isOwnServer: boolean,
): Promise<void> {
  const load = new Load(plan, endpoint);
  const restore = onSignals(load);
  try {
    const outcome = await measure(load, plan, options);
    const report = reportOf({ plan, address: nameOf(endpoint), isOwnServer }, load, outcome);
    process.stdout.write(`${written(report, options)}\n`);
    if (outcome.error !== undefined) {
      process.stderr.write(`sessile: the server went away: ${outcome.error.message}\n`);
    }
    const isFailed = report.ended === 'server_gone' || (report.ok === 0 && report.failed > 0);
    if (isFailed) process.exitCode = EXIT_FAILED;
  } finally {
    load.close();
    restore();
  }
}

async function measure(load: Load, plan: Plan, options: BenchOptions): Promise<Outcome> {
  await load.prepare();
  const isShown = options.progress && process.stderr.isTTY;
  const hide = isShown ? showProgress(load, plan, styleFor(process.stderr)) : undefined;
  try {
    return await load.run();
  } finally {
    hide?.();
  }
}

function written(report: Report, { json, csv }: BenchOptions): string {
  if (json === true) return JSON.stringify(report, null, 2);
  return csv === true ? csvOf(report) : reportText(report, styleFor(process.stdout));
}

/** The first signal ends the run with its report, a second one at once. */
function onSignals(load: Load): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let asked = false;
  const stop = (): void => {
    if (asked) process.exit(1);
    asked = true;
    load.interrupt();
  };
  for (const signal of signals) process.on(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}

function decimal(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number of seconds.');
}
