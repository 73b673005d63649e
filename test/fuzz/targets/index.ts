/** All targets, loaded only when asked for, so that coverage can be counted from the start. */
import type { Target } from '../target.ts';

export const TARGETS: Readonly<Record<string, () => Promise<Target>>> = {
  frames: async () => (await import('./frames.ts')).frames,
  values: async () => (await import('./values.ts')).values,
  journal: async () => (await import('./journal.ts')).journal,
  options: async () => (await import('./options.ts')).options,
  arguments: async () => (await import('./arguments.ts')).argumentsOf,
  answers: async () => (await import('./answers.ts')).answers,
};
