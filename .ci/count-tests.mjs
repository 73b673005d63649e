// Prints the counts of a vitest JSON report as 'N passed, N failed'. Fails when a test failed, when
// a file could not be loaded (which is no failed test to vitest), or when nothing ran.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const passed = report.numPassedTests;
const broken = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);
const failed = report.numFailedTests + broken.length;
for (const { name } of broken) console.log(`could not be run: ${name}`);
if (report.numPendingTests > 0) console.log(`${report.numPendingTests} skipped`);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
