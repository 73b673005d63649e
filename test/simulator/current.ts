/** The machine of the world that runs now; the worlds of a process come one after the other. */
import type { Machine } from './machine.ts';

/** The folder that a simulated server believes to be its data directory. */
export const FOLDER = '/simulated/data';

let machine: Machine | undefined;

export function enter(next: Machine): void {
  machine = next;
}

export function currentMachine(): Machine {
  if (machine === undefined) throw new Error('no world has been entered');
  return machine;
}

/** Whether there is a world. Node loads modules before, from version 22 on in this thread. */
export function isInWorld(): boolean {
  return machine !== undefined;
}

/** Shared words are touched, perhaps by the simulator itself, before there is any world. */
export function touched(): void {
  machine?.touched();
}
