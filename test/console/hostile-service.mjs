// Session data with an operation and a capability whose names a careless page would run as markup.
import { sessionData } from '../../dist/index.js';

const MARKUP = '<img src=x onerror="window.harmed=1">';

const { operations } = sessionData;

export default {
  ...sessionData,
  capabilities: [MARKUP],
  operations: { ...operations, [MARKUP]: { ...operations.echo, number: 99 } },
};
