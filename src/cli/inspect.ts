/**
 * `sessile inspect`: what a data directory holds, and whether it is whole. It reads only.
 */
import { Command } from 'commander';
import { nodeDisk } from '../journal/disk.ts';
import { type Examination, examine, type SegmentReport } from '../journal/examine.ts';

/** Exit code when a start would refuse the directory. */
const EXIT_DAMAGED = 2;

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Show the segments of a data directory, what they hold, and whether it is whole.')
    .argument('<folder>', 'the data directory')
    .option('--json', 'as JSON', false)
    .action((folder: string, options: { json: boolean }) => {
      const found = examine(nodeDisk, folder);
      const text = options.json ? JSON.stringify(found, null, 2) : textOf(found);
      process.stdout.write(`${text}\n`);
      if (found.segments.some(({ damage }) => damage !== undefined))
        process.exitCode = EXIT_DAMAGED;
    });
}

/** The examination as lines for a terminal. */
function textOf({ manifest, segments, sessions, leftovers }: Examination): string {
  const { format, engine, generation, shards, sessionsMax } = manifest;
  const lines = [
    `format ${format}, engine ${engine}, generation ${generation}, ` +
      `${shards} shards, at most ${sessionsMax} sessions`,
    '',
    row(['segment', 'bytes', 'blocks', 'states', 'ends', 'health']),
  ];
  for (const [index, one] of segments.entries()) {
    const isLast = segments[index + 1]?.shard !== one.shard;
    const numbers = [one.fileBytes, one.blocks, one.states, one.ends].map(String);
    lines.push(row([one.name, ...numbers, healthOf(one, isLast)]));
  }
  for (const name of leftovers)
    lines.push(`${name}: of another generation, removed at the next start`);
  lines.push('', `${sessions} sessions`);
  const damaged = segments.filter(({ damage }) => damage !== undefined);
  for (const { name, offset, damage } of damaged) {
    lines.push(`damaged: ${name} at offset ${offset}: ${damage}`);
  }
  lines.push(
    damaged.length === 0 ? 'whole' : 'a server refuses to start from this: see sessile repair',
  );
  return lines.join('\n');
}

function healthOf({ damage, restBytes }: SegmentReport, isLast: boolean): string {
  if (damage !== undefined) return 'DAMAGED';
  if (restBytes === 0) return 'good';
  return isLast
    ? `good; ${restBytes} bytes at the end were never acknowledged`
    : `good; ${restBytes} bytes at the end are passed over`;
}

const WIDTHS = [30, 12, 10, 10, 10];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0)))
    .map((cell, i) => (i === WIDTHS.length ? `  ${cell}` : cell))
    .join('');
}
