/**
 * The servers under load: ours, and those of its peers that are installed and asked for.
 */
import { fileURLToPath } from 'node:url';
import type { Skipped } from '../lib/summary.ts';
import { startServer } from './children.ts';
import type { PeerName, TargetName } from './job.ts';
import { PEERS } from './peers.ts';
import { makeFolder } from './places.ts';

export interface Target {
  readonly name: TargetName;
  readonly version: string;
  readonly port: number;
}

export interface SessileOptions {
  readonly version: string;
  readonly run: string;
  /** Folder for CPU profiles, which the server writes when it stops. */
  readonly profile: string | undefined;
  /** As `--durability` says; undefined = in memory only. */
  readonly durability: string | undefined;
}

export interface Targets {
  readonly targets: readonly Target[];
  readonly skipped: readonly Skipped[];
}

/** Only what went wrong: the lines of a run are its results. */
const QUIET = ['--log-level', 'warn'];

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Our server first, then the peers in the order asked. */
export async function startTargets(
  ours: SessileOptions,
  peers: readonly PeerName[],
): Promise<Targets> {
  const targets = [await startSessile(ours)];
  const skipped: Skipped[] = [];
  for (const name of peers) {
    if (name === 'memcached' && ours.durability !== undefined) {
      skipped.push({ what: name, why: 'it keeps nothing on disk' });
      continue;
    }
    const target = await startPeer(name, ours.durability);
    if (typeof target === 'string') skipped.push({ what: name, why: target });
    else targets.push(target);
  }
  return { targets, skipped };
}

/** The peer, or why there is none. */
async function startPeer(name: PeerName, durability: string | undefined): Promise<Target | string> {
  try {
    return (await PEERS[name](durability)) ?? 'it is not installed';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function startSessile(options: SessileOptions): Promise<Target> {
  const { version, run, profile, durability } = options;
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const journal =
    durability === undefined ? [] : ['--data-dir', makeFolder(), '--durability', durability];
  const args = [...profiling, MAIN, 'serve', '--port', '0', '--run', run, ...QUIET, ...journal];
  const started = await startServer(process.execPath, args, /listening on .*:(\d+)\n/);
  return { name: 'sessile', version, port: Number(started!.match[1]) };
}
