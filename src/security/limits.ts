/** The bounds of tokens and of the files that say which are good, each with its reason. */

/** The longest token: a JWT with a few dozen claims and an RSA signature has about 2 KiB. */
export const TOKEN_BYTES_MAX = 8192;

/** The shortest secret in a token list: 16 random characters cannot be tried out. */
export const TOKEN_BYTES_MIN = 16;

/** Tokens in a list: each hello compares all of them, some 0.1 ms. For more there are JWTs. */
export const TOKENS_MAX = 1000;

/** The longest name of a principal; a longer subject is a mistake rather than a name. */
export const NAME_BYTES_MAX = 256;

/** HMAC-SHA256 is as strong as its secret, up to this length. */
export const SECRET_BYTES_MIN = 32;

/** RSA keys below this are broken within reach; RFC 7518 asks for it too. */
export const RSA_BITS_MIN = 2048;

/** A file of tokens or keys: 1000 lines of the longest tokens would be more, and a mistake. */
export const FILE_BYTES_MAX = 4 * 1024 * 1024;
