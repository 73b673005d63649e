/**
 * The lanes of a connection, in the protocol of the server under load.
 */
import type { Operation, TargetName } from './job.ts';
import { MemcachedLanes } from './memcached-lanes.ts';
import type { Lanes } from './protocol.ts';
import { RedisLanes } from './redis-lanes.ts';
import { SessileLanes } from './sessile-lanes.ts';
import { TarantoolLanes } from './tarantool-lanes.ts';

export function makeLanes(
  target: TargetName,
  connection: number,
  lanes: number,
  operation: Operation,
): Lanes {
  switch (target) {
    case 'sessile':
      return new SessileLanes(connection, lanes, operation);
    case 'redis':
      return new RedisLanes(connection, lanes);
    case 'memcached':
      return new MemcachedLanes(connection, lanes);
    case 'tarantool':
      return new TarantoolLanes(connection, lanes);
  }
}
