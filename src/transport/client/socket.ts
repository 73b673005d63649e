/**
 * Makes the socket of a link, with TLS or without, and says in words what an error of it probably
 * means.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ConnectionClosedError, TlsError } from './errors.ts';
import { pemOf, type Settings } from './options.ts';

/** What OpenSSL and Node call it when the bytes that came are no TLS. */
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|BAD_RECORD_TYPE|RECORD_LAYER_FAILURE/;
/** And when the server's certificate is not trusted, or not the server's. */
const BAD_CERTIFICATE = /CERT|SELF_SIGNED|ISSUER|UNABLE_TO|ALTNAME|CRL/;
/** And when the server says that it does not like us. */
const ALERT = /ALERT/;

/** Calls `opened` when bytes can be sent. */
export function openSocket(settings: Settings, opened: () => void): Socket {
  const { host, port, path, tls } = settings;
  if (path !== undefined) return connect({ path }).once('connect', opened);
  if (tls === undefined) return connect({ host, port, noDelay: true }).once('connect', opened);
  const name = tls.servername === undefined ? {} : { servername: tls.servername };
  const socket = connectTls({ host, port, minVersion: 'TLSv1.2', ...pemOf(tls), ...name });
  socket.setNoDelay(true);
  return socket.once('secureConnect', opened);
}

/** The error of a connection that failed. */
export function socketError(error: Error, settings: Settings): ConnectionClosedError | TlsError {
  const text = `the connection failed: ${error.message}`;
  if (settings.tls === undefined) return new ConnectionClosedError(text, error);
  const { code = '' } = error as NodeJS.ErrnoException;
  if (NO_TLS.test(code)) {
    return new TlsError('the server speaks no TLS on this port: connect without tls', error);
  }
  if (ALERT.test(code)) {
    return new TlsError(`the server refused the TLS handshake: ${error.message}`, error);
  }
  if (BAD_CERTIFICATE.test(code)) {
    const hint = 'give the certificate of its authority as tls.ca, and its name as tls.servername';
    return new TlsError(`the server's certificate is not accepted (${code}): ${hint}`, error);
  }
  return new ConnectionClosedError(text, error);
}
