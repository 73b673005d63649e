/**
 * The bounds of the operator's HTTP, each with its reason. A console and a few scrapers use it, so
 * all are small.
 */

/** Beside the server's own port. */
export const OPERATOR_PORT_DEFAULT = 7378;

/** A console keeps up to six, a scraper one. */
export const HTTP_CONNECTIONS_MAX = 64;

/** Half of them: whoever takes as many as it can leaves room for a probe of somebody else. */
export const HTTP_CONNECTIONS_PER_ADDRESS_MAX = 32;

/** A request's line and headers: a token takes at most half of it. */
export const HTTP_HEADER_BYTES_MAX = 16 * 1024;

/** How long headers, and a whole request, may take: there is nothing long in one. */
export const HTTP_HEADERS_TIMEOUT_MS = 5_000;
export const HTTP_REQUEST_TIMEOUT_MS = 10_000;

/** How long a connection without a request is kept: longer than the console's second. */
export const HTTP_KEEP_ALIVE_MS = 10_000;

/** A connection on which nothing moves for so long is closed, read or not. */
export const HTTP_IDLE_MS = 30_000;

/** Ten minutes, one row a second: what a console's chart shows. */
export const HISTORY_ROWS = 600;
export const HISTORY_INTERVAL_MS = 1_000;

/** How often to look at how late the event loop is: a pause of this length is surely seen. */
export const LOOP_RESOLUTION_MS = 20;

/** Files of the console page, and the bytes of all: they are kept in memory. */
export const ASSETS_MAX = 64;
export const ASSETS_BYTES_MAX = 8 * 1024 * 1024;
