/**
 * How many connections the limit of open files leaves room for. Whoever opens connections until
 * there are no descriptors left would otherwise keep the journal from its next segment.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Kept for files: segments of the journal, what a reload reads, connections being refused. */
const DESCRIPTORS_KEPT = 64;

/** At least one; undefined where the system does not tell. */
export function roomForConnections(): number | undefined {
  const limit = descriptorLimit();
  if (limit === undefined) return undefined;
  try {
    const used = readdirSync('/proc/self/fd').length;
    return Math.max(1, limit - used - DESCRIPTORS_KEPT);
  } catch {
    return undefined;
  }
}

/** How many the process may have; undefined where the system does not tell. */
export function descriptorLimit(readLimits = readOwnLimits): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(readLimits())?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function readOwnLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Only Linux has this file; elsewhere nothing is said.
    return '';
  }
}
