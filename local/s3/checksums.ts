/** The checksums that S3 clients send, computed while the bytes pass. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Names as in `x-amz-checksum-…`. */
export const checksumNames = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;
export type ChecksumName = (typeof checksumNames)[number];

/** A checksum of bytes that come in pieces. */
export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** @returns the checksum in base64, as S3 writes it. */
  digest(): string;
}

export function startChecksum(name: ChecksumName): RunningChecksum {
  switch (name) {
    case 'crc32':
      return runningCrc32();
    case 'crc32c':
      return runningReflected32(0x82f63b78);
    case 'crc64nvme':
      return runningCrc64Nvme();
    case 'sha1':
    case 'sha256': {
      const hash = createHash(name);
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('base64') };
    }
  }
}

function runningCrc32(): RunningChecksum {
  let crc = 0;
  return {
    update(bytes) {
      crc = crc32(bytes, crc);
    },
    digest: () => base64Of32(crc),
  };
}

function runningReflected32(polynomial: number): RunningChecksum {
  const table = Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit += 1) {
      value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    }
    return value;
  });
  let crc = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) {
        crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
      }
    },
    digest: () => base64Of32((crc ^ 0xffffffff) >>> 0),
  };
}

/** CRC-64/NVME: reflected polynomial 0x9a6c9329ac4bc9b5, all ones before and after. */
function runningCrc64Nvme(): RunningChecksum {
  const table = BigUint64Array.from({ length: 256 }, (_, index) => {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit += 1) {
      value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
    }
    return value;
  });
  const ones = 0xffffffffffffffffn;
  let crc = ones;
  return {
    update(bytes) {
      for (const byte of bytes) {
        crc = (crc >> 8n) ^ (table[Number(crc & 0xffn) ^ byte] ?? 0n);
      }
    },
    digest() {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(crc ^ ones);
      return bytes.toString('base64');
    },
  };
}

function base64Of32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString('base64');
}
