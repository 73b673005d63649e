/**
 * `sessile repair`: cuts a damaged log at the damage, after showing what is lost by it.
 */
import { Command } from 'commander';
import { nodeDisk } from '../journal/disk.ts';
import { examine } from '../journal/examine.ts';
import { lockFolder } from '../journal/lock.ts';
import { type Cut, planRepair, repair } from '../journal/repair.ts';

/** Exit code when there is damage and nothing was done about it. */
const EXIT_DAMAGED = 2;

export function repairCommand(): Command {
  return new Command('repair')
    .description('Cut a damaged data directory at the damage. Shows what is lost; --yes does it.')
    .argument('<folder>', 'the data directory; keep a copy of it')
    .option('--yes', 'do it', false)
    .action((folder: string, options: { yes: boolean }) => {
      const unlock = lockFolder(folder);
      try {
        run(folder, options.yes);
      } finally {
        unlock();
      }
    });
}

function run(folder: string, isMeant: boolean): void {
  const before = examine(nodeDisk, folder);
  const cuts = planRepair(before);
  if (cuts.length === 0) {
    process.stdout.write(`whole: there is nothing to repair; ${before.sessions} sessions\n`);
    return;
  }
  for (const cut of cuts) process.stdout.write(`${textOf(cut)}\n`);
  if (!isMeant) {
    process.stdout.write(
      'nothing was changed; with --yes this is cut away, and cannot be undone\n',
    );
    process.exitCode = EXIT_DAMAGED;
    return;
  }
  repair(nodeDisk, folder, before, cuts);
  process.stdout.write(`cut; ${examine(nodeDisk, folder).sessions} sessions are left\n`);
}

function textOf({ shard, why, name, offset, lostBytes, removed, lostEntries }: Cut): string {
  const lines = [
    `shard ${shard}: ${name} at offset ${offset}: ${why}`,
    `  ${lostBytes} bytes of it would be lost`,
  ];
  if (removed.length > 0) {
    lines.push(
      `  ${removed.length} segments behind it would be removed, with ${lostEntries} changes ` +
        `of sessions: ${[...removed].reverse().join(', ')}`,
    );
  }
  return lines.join('\n');
}
