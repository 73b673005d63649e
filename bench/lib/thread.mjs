/**
 * Where a worker thread of a benchmark begins: a thread does not inherit that TypeScript is
 * understood, so this teaches it, and then loads the module that `workerData.module` names.
 */
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.module);
