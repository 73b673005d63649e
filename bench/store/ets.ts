/** Runs `sessions.erl`, when Erlang is installed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SESSIONS, type StoreWork, WORKS } from './store.ts';

const SOURCE = fileURLToPath(new URL('./sessions.erl', import.meta.url));

/** Nanoseconds per session of each work and round; undefined when there is no Erlang. */
export function measureEts(rounds: number): Record<StoreWork, number>[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sessile-ets-'));
  try {
    execFileSync('erlc', ['-o', folder, SOURCE]);
    const args = ['-noshell', '-pa', folder, '-run', 'sessions', 'main'];
    const text = execFileSync('erl', [...args, `${SESSIONS}`, `${rounds}`], { encoding: 'utf8' });
    return text.trim().split('\n').map(figuresOf);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function erlangVersion(): string {
  const release = 'io:format("~s", [erlang:system_info(otp_release)]), halt().';
  return execFileSync('erl', ['-noshell', '-eval', release], { encoding: 'utf8' });
}

function figuresOf(line: string): Record<StoreWork, number> {
  const figures = line.split(' ').map(Number);
  return Object.fromEntries(WORKS.map((work, i) => [work, figures[i]])) as Record<
    StoreWork,
    number
  >;
}
