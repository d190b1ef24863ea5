/** Makes certificates for TLS tests: X.509 in DER by hand, so that no openssl program is needed. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate with its private key, both in PEM. */
export interface Identity {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface Authority extends Identity {
  /** Signs a certificate for `localhost` and 127.0.0.1. */
  issue(commonName: string): Identity;
}

/** Makes an authority that signs itself. */
export function createAuthority(commonName: string): Authority {
  const { publicKey, privateKey } = newKeys();
  return {
    ...identity(certificateOf(commonName, publicKey, commonName, privateKey, true), privateKey),
    issue(subject) {
      const keys = newKeys();
      return identity(certificateOf(subject, keys.publicKey, commonName, privateKey, false), keys.privateKey);
    },
  };
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

function identity(der: Buffer, privateKey: KeyObject): Identity {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

const ecdsaWithSha256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));

/** RFC 5280, 4.1: valid for a day. */
function certificateOf(subject: string, key: KeyObject, issuer: string, issuerKey: KeyObject, isAuthority: boolean) {
  const dayMs = 86_400_000;
  const body = sequence(
    der(0xa0, Buffer.from('020102', 'hex')),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(timeOf(Date.now() - dayMs), timeOf(Date.now() + dayMs)),
    nameOf(subject),
    key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...(isAuthority ? [basicConstraints] : [alternativeNames]))),
  );
  const signature = sign('sha256', body, issuerKey);
  return sequence(body, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
}

/** 2.5.29.19, critical: an authority. */
const basicConstraints = extension('551d13', Buffer.from('0101ff', 'hex'), sequence(Buffer.from('0101ff', 'hex')));
/** 2.5.29.17: localhost and 127.0.0.1. */
const alternativeNames = extension(
  '551d11',
  Buffer.alloc(0),
  sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1))),
);

function extension(oidHex: string, critical: Buffer, value: Buffer): Buffer {
  return sequence(der(0x06, Buffer.from(oidHex, 'hex')), critical, der(0x04, value));
}

function nameOf(commonName: string): Buffer {
  const attribute = sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

function timeOf(ms: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.of(tag, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}
