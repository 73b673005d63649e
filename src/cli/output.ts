/**
 * Writing to standard output: as fast as its reader takes it, and not a word about a reader who
 * has seen enough (`sessile list --all | head`).
 */

/** Writes a text and a line's end; resolves when there is room for more. */
export function printLine(text: string): Promise<void> {
  if (process.stdout.write(`${text}\n`)) return Promise.resolve();
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** For commands whose output is all they are for: called once, before anything is written. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** For a server, which goes on although nobody takes its lines: `sessile serve | head -1`. */
export function outliveReader(): void {
  process.stdout.on('error', () => {});
}
