/** Reads a clock of its own whenever it is asked. */
import { parentPort } from 'node:worker_threads';
import { Clock } from '../../../dist/workers/clock.js';

const clock = new Clock();
parentPort.on('message', () => {
  clock.read();
  parentPort.postMessage(clock.cell[0]);
});
