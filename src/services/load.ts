/**
 * Finds the service that a configuration names: the built-in one, or a module of the user's whose
 * default export is a service. Each thread that runs the service loads it for itself.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidOptionError } from '../core/errors.ts';
import { type CheckedService, checkService } from './service.ts';
import { sessionData } from './session-data.ts';

/** The URL of a service module, from a path relative to the working directory, or a URL. */
export function serviceUrl(service: string | URL): string {
  if (service instanceof URL) return service.href;
  return /^(file|data|node):/.test(service) ? service : pathToFileURL(resolve(service)).href;
}

/** Loads a service by its module's URL; '' is the built-in one. Throws `InvalidOptionError`. */
export async function loadService(url: string): Promise<CheckedService> {
  if (url === '') return checkService(sessionData);
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidOptionError('service', url, `a module that can be loaded (${why})`);
  }
  if (module.default === undefined) {
    throw new InvalidOptionError('service', url, 'a module whose default export is a service');
  }
  return checkService(module.default);
}
