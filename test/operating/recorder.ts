/** A log that keeps what it was told, for tests to look at. */
import type { EventFields, EventLog, EventName } from '../../src/core/event-log.ts';

export interface Recorded {
  readonly level: keyof EventLog;
  readonly event: EventName;
  readonly fields: EventFields;
}

export class Recorder implements EventLog {
  readonly events: Recorded[] = [];

  info(event: EventName, fields: EventFields = {}): void {
    this.events.push({ level: 'info', event, fields });
  }

  warn(event: EventName, fields: EventFields = {}): void {
    this.events.push({ level: 'warn', event, fields });
  }

  error(event: EventName, fields: EventFields = {}): void {
    this.events.push({ level: 'error', event, fields });
  }

  get names(): EventName[] {
    return this.events.map(({ event }) => event);
  }

  of(event: EventName): Recorded[] {
    return this.events.filter((recorded) => recorded.event === event);
  }
}
