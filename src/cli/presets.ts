/**
 * Named sets of options for `sessile serve`. An option that is given, on the command line or in
 * the environment, counts more than the preset.
 */
import type { Command } from 'commander';
import { defaultShards } from '../embedding/options.ts';
import { flagOf } from './arguments.ts';

const PRESETS = {
  /** One small table that forgets quickly, so that limits are met while one looks. */
  development: { shards: 1, sessionsMax: 1_000, ttlMs: 600_000, onFull: 'evict' },
  /** All of one machine, for clients that must not lose their session to a newcomer. */
  'single-node': {
    shards: defaultShards(),
    sessionsMax: 1_000_000,
    ttlMs: 86_400_000,
    onFull: 'reject',
  },
  /** Beside a program on the same machine: no threads of its own, little memory. */
  embedded: { shards: 0, sessionsMax: 10_000, ttlMs: 3_600_000, onFull: 'evict' },
} as const;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The command's options, those that were left out taken from its preset, if it names one. */
export function withPreset<T extends { readonly preset?: PresetName }>(
  command: Command,
  options: T,
): T {
  const { preset } = options;
  if (preset === undefined) return options;
  const entries = Object.entries(PRESETS[preset]);
  const free = entries.filter(([name]) => command.getOptionValueSource(name) === 'default');
  return { ...options, ...Object.fromEntries(free) };
}

/** What the presets set, for `--help`. */
export function presetsText(): string {
  const lines = Object.entries(PRESETS).map(([name, preset]) => {
    const options = Object.entries(preset).map(([key, value]) => `${flagOf(key)} ${value}`);
    return `  ${name.padEnd(12)} ${options.join(' ')}`;
  });
  return ['', 'Presets:', ...lines].join('\n');
}
