/**
 * A process with clients of every kind. Its parent says when to stop; then what the server has is
 * compared with what they know. It may be killed at any time, as clients are.
 */
import { type Connection, connect } from '../../dist/index.js';
import { ClientActor, type World } from '../crash/client-actor.ts';
import { Random } from '../crash/random.ts';
import { RawActor } from '../crash/raw-actor.ts';
import { Tally } from '../crash/tally.ts';
import { Hostile } from './hostile.ts';
import { type Actor, Happened, KeyUser, OperatorActor, Passer, pause } from './load.ts';

/** What a process of clients is told. */
export interface ClientsTask {
  readonly port: number;
  readonly seed: number;
  readonly sessionsMax: number;
}

/** What it tells, each second and at the end. */
export interface ClientsReport {
  readonly violations: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly isLast: boolean;
}

const REPORT_MS = 500;
const SESSIONS = 5;
const PASSERS = 10;
const HOSTILE = 5;
const ENDED_KEPT = 1_000;

const task = JSON.parse(process.argv[2]) as ClientsTask;
const random = new Random(task.seed);
const tally = new Tally();
const happened = new Happened();
const company = { tally, happened, random };
const world: World = { service: 'data', tally, evicts: true, rejects: false, ended: [] };
let isGoing = true;

/** The first connect does not try again by itself, and the server may be away. */
async function open(): Promise<Connection> {
  for (;;) {
    try {
      return await connect({ port: task.port, reconnectMinMs: 2, reconnectMaxMs: 50 });
    } catch {
      await pause(20);
    }
  }
}

const [first, second, third] = await Promise.all([open(), open(), open()]);
const sessions = Array.from(
  { length: SESSIONS },
  (_, index) => new ClientActor(world, index % 2 === 0 ? first : second, random.fork()),
);
const frames = new RawActor(world, task.port, random.fork(), () => isGoing);
const actors: Actor[] = [
  new KeyUser(company, third),
  new OperatorActor(company, third, task.sessionsMax),
  ...Array.from({ length: PASSERS }, () => new Passer(company, second)),
];
const hostile = Array.from({ length: HOSTILE }, () => new Hostile(company, task.port));

function report(isLast: boolean, sent = (): void => {}): void {
  const { acknowledged, replays, evictions, closed, violations } = tally;
  const counts = { acknowledged, replays, evictions, closed, ...happened.counts };
  world.ended.splice(0, world.ended.length - ENDED_KEPT);
  process.send!({ violations, counts, isLast } satisfies ClientsReport, sent);
}

async function run(actor: Actor): Promise<void> {
  while (isGoing && tally.violations.length === 0) {
    try {
      await actor.step();
    } catch (error) {
      if (happened.excuses(error)) continue;
      tally.violated(`a ${actor.constructor.name} failed: ${(error as Error).stack ?? error}`);
    }
  }
}

for (const session of sessions) session.start();
const runs = [frames.run(), ...actors.map(run)];
// Nobody waits for these: some keep silent for as long as the server lets them.
for (const actor of hostile) void run(actor);
const timer = setInterval(report, REPORT_MS, false);
process.once('message', () => void finish());

async function finish(): Promise<void> {
  isGoing = false;
  await Promise.all([...runs, ...sessions.map((session) => session.halt())]);
  for (const session of sessions) await session.check();
  await Promise.all([first, second, third].map((connection) => connection.close()));
  clearInterval(timer);
  report(true, () => process.exit());
}
