/**
 * How many connections the limit of open files leaves room for. Whoever opens connections until
 * there are no descriptors left would otherwise keep the journal from its next segment.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Kept for files: segments of the journal, what a reload reads, connections being refused. */
const DESCRIPTORS_KEPT = 64;

/** At least one; undefined where the system does not tell. */
export function roomForConnections(): number | undefined {
  try {
    const match = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
    if (match === null) return undefined;
    const used = readdirSync('/proc/self/fd').length;
    return Math.max(1, Number(match[1]) - used - DESCRIPTORS_KEPT);
  } catch {
    return undefined;
  }
}
