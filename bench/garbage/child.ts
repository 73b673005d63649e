/**
 * The process in which garbage is counted: an engine with one worker, this thread as its front end.
 * Started by `run.ts` with flags of V8, its job as the argument; tells the outcome as
 * one line of JSON.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Engine } from '../../dist/index.js';
import { Driver, SESSIONS } from './driver.ts';
import type { Counted, Job } from './job.ts';

/** Where V8 writes what it deoptimizes in the first worker, if it was told to do so. */
const DEOPTIMIZED = `code-${process.pid}-1.asm`;

/** The session through which the worker is told to count. */
const PROBE = 'ff'.repeat(16);

const { operation, warmUp, requests } = JSON.parse(process.argv[2]) as Job;
const engine = await Engine.start({
  shards: 1,
  run: 'worker',
  service: new URL('./service.mjs', import.meta.url),
  sessionsMax: SESSIONS + 1,
});
const driver = new Driver(engine, operation);
if (operation !== 'register') await driver.open(engine);
// What runs for the first time makes V8 throw away code that did not know of it: so it is known.
driver.run(Math.ceil(warmUp / 2));
await engine.register(PROBE);
await engine.call(PROBE, 'count_begin');
await engine.call(PROBE, 'count_end');
driver.run(Math.ceil(warmUp / 2));
await engine.call(PROBE, 'count_begin');
const before = deoptimizations().length;
const began = performance.now();
driver.run(requests);
const seconds = (performance.now() - began) / 1e3;
const { body } = await engine.call(PROBE, 'count_end');
const counted = body as Pick<Counted, 'bytes' | 'collections'>;
const outcome: Counted = { ...counted, deoptimized: deoptimizations().slice(before), seconds };
console.log(JSON.stringify(outcome));
await engine.stop();

/** The functions that were deoptimized so far, each as often as it was. */
function deoptimizations(): string[] {
  if (!existsSync(DEOPTIMIZED)) return [];
  const lines = readFileSync(DEOPTIMIZED, 'utf8').matchAll(
    /bailout \(kind: ([\w-]+), reason: ([^)]*)\).*?<JSFunction ([^ >]*)/g,
  );
  return [...lines].map(([, kind, reason, name]) => `${name} (${kind}: ${reason})`);
}
