/**
 * What a seed decides before its world begins: the server, the clients, and which faults there are.
 * Each kind of fault is left out of half of the worlds, for one may hide what another would show.
 */
import type { MachineOptions } from './machine.ts';
import type { Random } from './random.ts';

export const FAULTS = [
  'cut',
  'partition',
  'pause',
  'worker death',
  'kill',
  'power loss',
  'disk crash',
  'disk full',
  'failed sync',
  'short write',
  'clock jump',
  'stop',
] as const;
export type Fault = (typeof FAULTS)[number];

type Durability = 'memory' | 'commit' | 'interval' | 'off';

export interface ServerOptions {
  readonly isPortable: boolean;
  readonly run: 'auto' | 'worker' | 'direct';
  readonly onFull: 'evict' | 'reject';
  readonly sessionsMax: number;
  readonly ttlMs: number | null;
  readonly executeTimeoutMs: number;
  readonly durability: Durability;
  readonly intervalMs: number;
  readonly segmentBytesMax: number;
  readonly replyBytesMax: number;
  readonly dataBytesMax: number;
  /** Worker threads of each start, in turn. */
  readonly shards: readonly number[];
}

export interface Swarm {
  readonly machine: MachineOptions;
  readonly server: ServerOptions;
  readonly clients: number;
  readonly rawClients: number;
  /** Client ids that each client uses, and those that all raw ones share. */
  readonly ids: number;
  readonly sharedIds: number;
  readonly paddingMax: number;
  /** Sleeps end by wake-ups alone. */
  readonly sleepsLong: boolean;
  /** The mean time between two faults of a kind. */
  readonly faults: ReadonlyMap<Fault, number>;
  /** Steps before the faults stop. */
  readonly steps: number;
}

const LONG_SLEEP_MS = 3_600_000;

export function swarmOf(random: Random): Swarm {
  const durability = random.pick<Durability>(['memory', 'commit', 'commit', 'interval', 'off']);
  const sleepsLong = random.chance(0.3);
  const shards = [random.below(4), random.below(4), random.below(4)];
  return {
    machine: {
      latencyMs: random.scaled(0.05, 20),
      bufferBytes: Math.round(random.scaled(600, 100_000)),
      splits: random.chance(0.5),
      sleepMs: sleepsLong ? LONG_SLEEP_MS : 0,
      syncMs: random.scaled(0.05, 20),
      preemption: random.chance(0.5) ? random.scaled(0.001, 0.1) : 0,
    },
    server: serverOf(random, durability, shards),
    clients: random.between(1, 4),
    rawClients: random.below(4),
    ids: random.between(1, 4),
    sharedIds: random.between(1, 3),
    paddingMax: random.pick([8, 100, 600]),
    sleepsLong,
    faults: faultsOf(random, durability, sleepsLong),
    steps: random.between(400, 3_000),
  };
}

function serverOf(random: Random, durability: Durability, shards: number[]): ServerOptions {
  return {
    isPortable: random.chance(0.6),
    run: random.pick(['auto', 'worker', 'direct']),
    onFull: random.pick(['evict', 'evict', 'reject']),
    sessionsMax: random.between(1, 10),
    ttlMs: random.chance(0.3) ? null : Math.round(random.scaled(5, 5_000)),
    executeTimeoutMs: random.between(20, 500),
    durability,
    intervalMs: random.between(1, 100),
    segmentBytesMax: Math.round(random.scaled(4_096, 65_536)),
    replyBytesMax: 2_048,
    dataBytesMax: 1_024,
    shards,
  };
}

/** Mean times between faults of a kind, from often to seldom. */
const OFTEN_MS = 15;
const SELDOM_MS = 600;

const DISK_FAULTS = new Set<Fault>(['disk crash', 'disk full', 'failed sync', 'short write']);

function faultsOf(random: Random, durability: Durability, sleepsLong: boolean): Map<Fault, number> {
  const faults = new Map<Fault, number>();
  for (const fault of FAULTS) {
    const isPresent = random.chance(0.5);
    const meanMs = random.scaled(OFTEN_MS, SELDOM_MS);
    if (durability === 'memory' && DISK_FAULTS.has(fault)) continue;
    // A disk that was full is tried again by the clock, not because somebody is woken.
    if (fault === 'disk full' && sleepsLong) continue;
    if (isPresent) faults.set(fault, meanMs);
  }
  return faults;
}
