/**
 * What every benchmark does with its command line, and how it ends.
 */
import { PEER_NAMES, type PeerName } from '../load/job.ts';

export function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} ${text}: a number above 0`);
}

export function whole(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} ${text}: a whole number above 0`);
}

export function peersOf(names: readonly string[]): PeerName[] {
  return names.map((name) => {
    const peer = PEER_NAMES.find((one) => one === name);
    if (peer === undefined) throw new Error(`--peer ${name}: ${PEER_NAMES.join(', ')}`);
    return peer;
  });
}

/** Runs a benchmark and cleans up after it, whatever happens. */
export async function finish(
  name: string,
  main: () => Promise<void>,
  cleanUp: () => Promise<void>,
): Promise<void> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}
