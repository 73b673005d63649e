/** The service of worlds whose requests run in the workers, some of them for a while. */
import { makeService } from './service.ts';

export default makeService(false);
