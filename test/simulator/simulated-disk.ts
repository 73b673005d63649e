/**
 * The journal's disk in a simulated world: the fault-injecting one of the journal's tests, with
 * writes and syncs that take a while. What was under way when its thread ended happens or not.
 */
import type { Disk } from '../../src/journal/disk.ts';
import { Crash } from '../journal/faulty-disk.ts';
import { currentMachine } from './current.ts';

const disk = () => currentMachine().disk;

function later(run: () => void): void {
  const machine = currentMachine();
  machine.scheduler.after(machine.diskMs(), run);
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
    later(() => {
      let written = 0;
      try {
        written = disk().write(file, bytes, at, length, position);
      } catch (error) {
        if (error instanceof Crash) return;
        return done(error as Error, 0);
      }
      done(null, written);
    });
  },
  truncate: (file, length) => disk().truncate(file, length),
  sync(file) {
    currentMachine().point();
    disk().sync(file);
  },
  syncLater(file, done) {
    later(() => {
      try {
        disk().sync(file);
      } catch (error) {
        if (error instanceof Crash) return;
        return done(error as Error);
      }
      done(null);
    });
  },
  list: (folder) => disk().list(folder),
  makeFolder: () => {},
  rename: (from, to) => disk().rename(from, to),
  remove: (path) => disk().remove(path),
  syncFolder: (folder) => disk().syncFolder(folder),
};
