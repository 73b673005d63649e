/**
 * Light or dark: what the system prefers, until somebody chooses. The choice outlives the page.
 */
import { byId, setText } from './dom.ts';

const STORED_AS = 'sessile-theme';

type Theme = 'light' | 'dark';

/** @param onChange runs after the colours have changed */
export function followTheme(onChange: () => void): void {
  const root = document.documentElement;
  const button = byId<HTMLButtonElement>('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const current = (): Theme => {
    const chosen = root.dataset.theme;
    if (chosen === 'light' || chosen === 'dark') return chosen;
    return system.matches ? 'dark' : 'light';
  };
  const show = (): void => {
    setText(button, current() === 'dark' ? 'Light theme' : 'Dark theme');
    onChange();
  };
  const stored = read();
  if (stored !== undefined) root.dataset.theme = stored;
  show();
  system.addEventListener('change', show);
  button.addEventListener('click', () => {
    const chosen = current() === 'dark' ? 'light' : 'dark';
    root.dataset.theme = chosen;
    write(chosen);
    show();
  });
}

function read(): Theme | undefined {
  const stored = stores(() => localStorage.getItem(STORED_AS));
  return stored === 'light' || stored === 'dark' ? stored : undefined;
}

function write(theme: Theme): void {
  stores(() => localStorage.setItem(STORED_AS, theme));
}

/** A browser may forbid storage; then a choice lasts as long as the page. */
export function stores<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
