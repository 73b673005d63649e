/** What the simulator itself needs of the real world, taken before it is replaced. */
export const realImmediate = setImmediate;
export const realNow = performance.now.bind(performance);
