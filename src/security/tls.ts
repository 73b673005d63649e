/** What TLS needs of files: certificate, key, and whose clients' certificates are accepted. */
import { constants } from 'node:crypto';
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { InvalidOptionError } from '../core/errors.ts';
import { readSecretFile } from './secret-file.ts';

export interface TlsOptions {
  /** Files with the server's certificate chain and its private key, in PEM: clients speak TLS. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** A file of certificates in PEM; only clients with one that they signed may connect. */
  readonly tlsClientCa?: string | undefined;
}

export type TlsContext = Pick<
  SecureContextOptions,
  'cert' | 'key' | 'ca' | 'minVersion' | 'secureOptions'
>;

/** The first byte of a TLS connection: a record of its handshake. */
export const TLS_HANDSHAKE = 0x16;

/** What a client without an accepted certificate is told where one is asked for. */
export const CERTIFICATE_NEEDED = 'this port asks for a client certificate that its CA has signed';

/** A resumed session counts as authorized even if no certificate was shown in its first one. */
export function showedCertificate(socket: TLSSocket): boolean {
  return socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0;
}

/** Whether the options ask for TLS. Throws `InvalidOptionError` when one lacks another. */
export function wantsTls({ tlsCert, tlsKey, tlsClientCa }: TlsOptions): boolean {
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return false;
  if (tlsCert === undefined) {
    throw new InvalidOptionError('tlsCert', tlsCert, 'the file of the certificate, for TLS');
  }
  if (tlsKey !== undefined) return true;
  throw new InvalidOptionError('tlsKey', tlsKey, 'the file of the private key, for TLS');
}

/** Reads the files. Throws `InvalidOptionError` when they do not make a server's TLS together. */
export async function readTls({ tlsCert, tlsKey, tlsClientCa }: TlsOptions): Promise<TlsContext> {
  const cert = await readSecretFile('tlsCert', tlsCert);
  const key = await readSecretFile('tlsKey', tlsKey);
  const ca =
    tlsClientCa === undefined ? undefined : await readSecretFile('tlsClientCa', tlsClientCa);
  // A resumed session is not asked for a certificate again: where one is needed, none is resumed.
  const mutual = ca === undefined ? {} : { ca, secureOptions: constants.SSL_OP_NO_TICKET };
  const context = { cert, key, ...mutual, minVersion: 'TLSv1.2' } as const;
  if (ca !== undefined && !ca.includes('BEGIN CERTIFICATE')) {
    throw new InvalidOptionError('tlsClientCa', tlsClientCa, 'a file of certificates in PEM');
  }
  try {
    createSecureContext(context);
  } catch (error) {
    const expected = `a certificate in PEM to which tlsKey belongs: ${(error as Error).message}`;
    throw new InvalidOptionError('tlsCert', tlsCert, expected, ['tlsKey']);
  }
  return context;
}
