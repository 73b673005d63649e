/**
 * Erlang's stores, when Erlang is installed: `sessions.erl` in a process of its own, which does one
 * cycle of one store for each line it is sent, so that they take turns with ours.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { track } from '../load/children.ts';
import { makeFolder } from '../load/places.ts';
import { type Contender, type Cycle, SESSIONS, WORKS } from './store.ts';

const SOURCE = fileURLToPath(new URL('./sessions.erl', import.meta.url));

/** By their names in `sessions.erl`, the names in the tables. */
const STORES = {
  ets: 'ETS',
  dets: 'DETS',
  mnesia_dirty: 'Mnesia dirty',
  mnesia_transaction: 'Mnesia transaction',
  mnesia_disc: 'Mnesia disc',
} as const;

/** Mnesia reports on the same output that it is busy writing: only what stops it is of interest. */
const QUIET = ['-kernel', 'logger_level', 'emergency'];

/** Its compiler works ahead, and some of its stores take seconds for a cycle. */
const WARM_UP_CYCLES = 1;

/** A cycle takes seconds, on a slow disk. A store that hangs must not stop the others for good. */
const CYCLE_MS_MAX = 60_000;

/** Its stores, or undefined when there is no Erlang. */
export function startErlang(): readonly Contender[] | undefined {
  const folder = makeFolder();
  try {
    execFileSync('erlc', ['-o', folder, SOURCE]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const args = ['-noshell', ...QUIET, '-pa', folder, '-run', 'sessions', 'main'];
  const options: SpawnOptions = { stdio: ['pipe', 'pipe', 'inherit'] };
  const child = track(spawn('erl', [...args, `${SESSIONS}`, folder], options));
  const lines = createInterface({ input: child.stdout! });
  return Object.entries(STORES).map(([atom, name]) => ({
    name,
    warmUpCycles: WARM_UP_CYCLES,
    cycle: async () => figuresOf(await ask(child, lines, atom)),
  }));
}

export function erlangVersion(): string {
  const release = 'io:format("~s", [erlang:system_info(otp_release)]), halt().';
  return execFileSync('erl', ['-noshell', '-eval', release], { encoding: 'utf8' });
}

function ask(child: ChildProcess, lines: Interface, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('Erlang ended');
    const late = setTimeout(() => {
      reject(new Error(`a cycle took longer than ${CYCLE_MS_MAX / 1e3} s`));
      child.kill('SIGKILL');
    }, CYCLE_MS_MAX);
    const ended = (): void => {
      clearTimeout(late);
      reject(new Error('Erlang ended'));
    };
    child.once('exit', ended);
    lines.once('line', (answer) => {
      clearTimeout(late);
      child.off('exit', ended);
      resolve(answer);
    });
    child.stdin!.write(`${line}\n`);
  });
}

/** Nanoseconds of each work from a line of answer; a work that the store does not do is absent. */
export function figuresOf(line: string): Cycle {
  const [kind, ...cells] = line.split(' ');
  if (kind !== 'ok' || cells.length !== WORKS.length) throw new Error(`Erlang answered: ${line}`);
  const pairs = WORKS.map((work, i) => [work, Number(cells[i])] as const);
  return Object.fromEntries(pairs.filter(([, figure]) => !Number.isNaN(figure)));
}
