/** The service of worlds whose requests may run on any thread. */
import { makeService } from './service.ts';

export default makeService(true);
