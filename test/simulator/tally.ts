/** Counts of what a world has seen; none may stay at zero over all worlds. */
export class Tally {
  commits = 0;
  calls = 0;
  replays = 0;
  registers = 0;
  evictions = 0;
  expiries = 0;
  crashes = 0;
  powerLosses = 0;
  recoveries = 0;
  recovered = 0;
  workerDeaths = 0;
  cuts = 0;
  partitions = 0;
  diskFaults = 0;
  slowReaders = 0;
  floods = 0;
  stalls = 0;
  halfFrames = 0;
  stops = 0;
  interruptions = 0;
  frames = 0;
}
