/**
 * Which addresses connections may be opened to. A configured host name is resolved by somebody else's DNS: without this
 * check, it could lead functions to the credentials of the cloud (169.254.169.254) or to servers nobody named.
 */
import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { MirrorError } from '../../errors.ts';

export interface EgressRules {
  /** Allow private and loopback addresses too, as in a VPC. */
  readonly allowPrivateNetworks: boolean;
}

type Subnet = readonly [network: string, prefix: number, family: 'ipv4' | 'ipv6'];

/** Link-local (where clouds keep their metadata), unspecified, multicast, reserved, examples; and EC2's metadata in IPv6. */
const neverAllowed = blockListOf([
  ['0.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  ['224.0.0.0', 4, 'ipv4'],
  ['240.0.0.0', 4, 'ipv4'],
  ['fd00:ec2::', 32, 'ipv6'],
  // Teredo and other protocols of the IETF's own, examples, 6to4, and what was the 6bone.
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3ffe::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
]);

/**
 * Where servers can be in IPv6: global unicast, unique local, loopback, and IPv4 addresses written as IPv6, which count
 * as what they are. What lies elsewhere is link-local, site-local or multicast, or hides an IPv4 address behind a
 * translation: 64:ff9b::/96, 64:ff9b:1::/48, ::/96, ::ffff:0:0:0/96.
 * Source: https://www.iana.org/assignments/iana-ipv6-special-registry
 */
const usableIpv6 = blockListOf([
  ['2000::', 3, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['::1', 128, 'ipv6'],
  ['::ffff:0:0', 96, 'ipv6'],
]);

const privateNetworks = blockListOf([
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
]);

/** @returns whether a connection may be opened to this IPv4 or IPv6 address. Anything else is not allowed. */
export function isAllowedAddress(address: string, { allowPrivateNetworks }: EgressRules): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  // An address with a zone is link-local.
  if (isIP(address) === 0 || address.includes('%') || neverAllowed.check(address, family)) {
    return false;
  }
  if (family === 'ipv6' && (!usableIpv6.check(address, family) || isIsatap(address))) {
    return false;
  }
  return allowPrivateNetworks || !privateNetworks.check(address, family);
}

/**
 * Whether an IPv6 address of any network embeds an IPv4 address by ISATAP: its interface identifier begins with 5efe
 * after zeros, the bits of universal and group aside. Source: RFC 5214, section 6.1
 */
function isIsatap(address: string): boolean {
  // A URL writes an address in one way only.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const left = head.split(':').filter((group) => group !== '');
  const right = tail?.split(':').filter((group) => group !== '') ?? [];
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return /^(?:0|100|200|300)$/.test(groups[4] ?? '') && groups[5] === '5efe';
}

/** Throws `configuration` if a host is an address (in URL form) that is not allowed; names are checked when resolved. */
export function requireAllowedHost(host: string, rules: EgressRules | undefined): void {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (rules !== undefined && isIP(address) !== 0 && !isAllowedAddress(address, rules)) {
    throw notAllowed();
  }
}

/** A resolver for connections that fails with `configuration` if any address of a name is not allowed. */
export function guardedLookup(rules: EgressRules, resolve: typeof lookup = lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
      } else if (addresses.length === 0 || !addresses.every(({ address }) => isAllowedAddress(address, rules))) {
        callback(notAllowed(), []);
      } else {
        answer(addresses, options.all === true, callback);
      }
    });
  };
}

function answer(addresses: LookupAddress[], all: boolean, callback: Parameters<LookupFunction>[2]): void {
  const [first] = addresses;
  if (all || first === undefined) {
    callback(null, addresses);
  } else {
    callback(null, first.address, first.family);
  }
}

function notAllowed(): MirrorError {
  return new MirrorError(
    'configuration',
    'The address of a server is not public; set cloud.allowPrivateNetworks if it is private. Link-local is never allowed.',
  );
}

function blockListOf(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix, family] of subnets) {
    list.addSubnet(network, prefix, family);
  }
  return list;
}
