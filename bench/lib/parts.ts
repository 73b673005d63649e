/**
 * The parts of `npm run bench`, in the order in which they run.
 */

export interface Part {
  readonly name: string;
  /** The script in bench/, when it is not the part's name. */
  readonly script?: string;
  readonly args?: readonly string[];
}

export const PARTS: readonly Part[] = [
  { name: 'table' },
  { name: 'store' },
  { name: 'tcp' },
  { name: 'tcp-durable', script: 'tcp', args: ['--durability', 'commit'] },
  { name: 'latency' },
  { name: 'client' },
  { name: 'embed' },
  { name: 'layout' },
  { name: 'capacity' },
  { name: 'garbage' },
  { name: 'recovery' },
];

/** The parts asked for by name, or all. */
export function partsNamed(names: readonly string[]): readonly Part[] {
  const known = new Set(PARTS.map(({ name }) => name));
  for (const name of names) {
    if (!known.has(name)) throw new Error(`--only ${name}: one of ${[...known].join(', ')}`);
  }
  return names.length === 0 ? PARTS : PARTS.filter(({ name }) => names.includes(name));
}
