/** The simulator itself: what it says of worlds must be the same each time, and can be no. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Random } from './random.ts';
import { FAULTS, swarmOf } from './swarm.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A process of its own: the simulator replaces what the one of these tests needs. */
function run(script: string, ...args: string[]): { status: number | null; output: string } {
  const file = `test/simulator/${script}`;
  const all = ['--import', 'tsx', file, ...args];
  const { status, stdout } = spawnSync(process.execPath, all, { cwd: ROOT, encoding: 'utf8' });
  return { status, output: stdout };
}

test('a world does the same each time', () => {
  const { status, output } = run('main.ts', '--seeds', '2', '--twice', '--jobs', '1');
  expect(output).toMatch(/^2 worlds, \d+ steps/);
  expect(status).toBe(0);
});

test('a mistake in the code makes a world fail', () => {
  const { status, output } = run('mutants-main.ts', '--only', 'skips a number', '--seeds', '20');
  expect(output).toContain('1 of 1 found');
  expect(status).toBe(0);
});

test('seeds draw every kind of fault, and worlds without each of them', () => {
  const swarms = Array.from({ length: 200 }, (_, seed) => swarmOf(new Random(seed)));
  for (const fault of FAULTS) {
    const count = swarms.filter(({ faults }) => faults.has(fault)).length;
    expect(count, fault).toBeGreaterThan(20);
    expect(count, fault).toBeLessThan(180);
  }
});
