// Session data with an operation and a capability whose names a careless page would run as markup.
import { sessionData } from '../../dist/index.js';

const MARKUP = '<img src=x onerror="window.harmed=1">';

export default {
  ...sessionData,
  capabilities: [MARKUP],
  operations: { ...sessionData.operations, [MARKUP]: { ...sessionData.operations.echo, number: 99 } },
};
