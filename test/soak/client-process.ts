/** A process of clients as the soak sees it: its counts, and what it found wrong. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ClientsReport, ClientsTask } from './clients.ts';

const MAIN = fileURLToPath(new URL('./clients.ts', import.meta.url));
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #report: ClientsReport = { violations: [], counts: {}, isLast: false };
  #isKilled = false;
  #problem: string | undefined;

  constructor(task: ClientsTask) {
    const child = fork(MAIN, [JSON.stringify(task)]);
    this.#child = child;
    running.add(child);
    child.on('message', (report) => {
      this.#report = report as ClientsReport;
    });
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        running.delete(child);
        const isExpected = this.#isKilled || (code === 0 && this.#report.isLast);
        if (!isExpected) this.#problem = `a process of clients ended with ${code ?? signal}`;
        resolve();
      });
    });
  }

  get counts(): Readonly<Record<string, number>> {
    return this.#report.counts;
  }

  get violations(): readonly string[] {
    const { violations } = this.#report;
    return this.#problem === undefined ? violations : [...violations, this.#problem];
  }

  /** In the middle of whatever it does. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Lets it come to an end and compare what it knows with the server. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.send('stop');
    await this.#exited;
  }
}
