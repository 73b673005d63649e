/**
 * What a server knows of one live session: `sessile inspect` with a client id.
 */
import { withConnection } from '../client.ts';
import type { Endpoint } from '../endpoint.ts';
import { printLine } from '../output.ts';
import { styleFor } from '../terminal/style.ts';
import { detailLines, jsonOf } from './describe.ts';

/** Exit code when no session of the id is live. */
const EXIT_NOTHING = 2;

export async function inspectSession(
  id: string,
  endpoint: Endpoint,
  asJson: boolean,
): Promise<void> {
  await withConnection(endpoint, async (connection) => {
    const found = await connection.inspect(id);
    if (found === null) process.exitCode = EXIT_NOTHING;
    if (asJson) return printLine(jsonOf(found));
    if (found === null) process.stderr.write(`sessile: no session of ${id} is live\n`);
    else await printLine(detailLines(found, Date.now(), styleFor(process.stdout)).join('\n'));
  });
}
