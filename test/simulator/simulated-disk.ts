/**
 * The journal's disk in a simulated world: the fault-injecting one of the journal's tests, with
 * writes and syncs that take a while.
 */
import type { Disk } from '../../src/journal/disk.ts';
import { Crash } from '../journal/faulty-disk.ts';
import { currentMachine } from './current.ts';

const disk = () => currentMachine().disk;

/** Does something a while from now; at the latest when its thread ends, for Node waits for that. */
function later(run: (isDead: boolean) => void): void {
  const machine = currentMachine();
  const { scheduler, underWay } = machine;
  const thread = scheduler.current;
  const finish = (): void => {
    if (underWay.delete(operation)) run(thread.isDead);
  };
  const operation = { thread, finish };
  underWay.add(operation);
  scheduler.after(machine.diskMs(), finish);
}

export const simulatedDisk: Disk = {
  open: (path, isNew) => disk().open(path, isNew),
  close: (file) => disk().close(file),
  size: (file) => disk().size(file),
  read: (file, bytes, at, length, position) => disk().read(file, bytes, at, length, position),
  write(file, bytes, at, length, position) {
    currentMachine().point();
    return disk().write(file, bytes, at, length, position);
  },
  writeLater(file, bytes, at, length, position, done) {
    later((isDead) => {
      let written = 0;
      try {
        written = disk().write(file, bytes, at, length, position);
      } catch (error) {
        if (error instanceof Crash) return;
        return isDead ? undefined : done(error as Error, 0);
      }
      if (!isDead) done(null, written);
    });
  },
  truncate: (file, length) => disk().truncate(file, length),
  sync(file) {
    currentMachine().point();
    disk().sync(file);
  },
  syncLater(file, done) {
    const end = disk().beginSync(file);
    later((isDead) => {
      try {
        end();
      } catch (error) {
        if (error instanceof Crash || isDead) return;
        return done(error as Error);
      }
      if (!isDead) done(null);
    });
  },
  list: (folder) => disk().list(folder),
  makeFolder: () => {},
  rename: (from, to) => disk().rename(from, to),
  remove: (path) => disk().remove(path),
  syncFolder: (folder) => disk().syncFolder(folder),
};
