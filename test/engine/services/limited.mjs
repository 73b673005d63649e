/** A portable service of operations that cost different amounts, and one for the privileged. */
function count(context) {
  const n = (context.dataValue()?.n ?? 0) + 1;
  context.setData({ n });
  context.replyWith(n);
}

const read = (context) => context.replyWith(context.dataValue() ?? null);

export default {
  name: 'limited',
  portable: true,
  capabilities: ['read', 'write', 'admin'],
  operations: {
    count: { number: 0, unsequenced: true, execute: count },
    heavy: { number: 1, unsequenced: true, cost: 3, execute: count },
    huge: { number: 2, unsequenced: true, cost: 1000, execute: count },
    free: { number: 3, unsequenced: true, cost: 0, execute: count },
    reset: { number: 4, unsequenced: true, capability: 'admin', execute: count },
    read: { number: 5, unsequenced: true, readOnly: true, cost: 0, execute: read },
    sequenced: { number: 6, execute: count },
    granted: {
      number: 7,
      unsequenced: true,
      cost: 0,
      execute(context) {
        const bits = context.capabilities;
        context.replyWith(context.capabilityNames.filter((_, i) => (bits & (1 << i)) !== 0));
      },
    },
  },
};
