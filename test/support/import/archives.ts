/** Makes archives and storage files as tests need them, hostile ones too, which no library would write. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { crc32, deflateRawSync, deflateSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface ZipMember {
  /** Text is written as UTF-8. */
  readonly name: string | Buffer;
  readonly bytes: Uint8Array;
  /** Unix mode of the member; a regular file by default. */
  readonly mode?: number;
  readonly stored?: boolean;
  /** What the zip claims, where it lies. */
  readonly claimedCrc32?: number;
  readonly isEncrypted?: boolean;
}

/** A member and its bytes as they lie in a zip. */
interface PackedMember {
  readonly member: ZipMember;
  readonly content: Uint8Array;
  readonly crc32: number;
}

/** A zip of the given members, whatever their names are (APPNOTE.TXT 4.3). */
export function zip(members: readonly ZipMember[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const member of members.map(packed)) {
    const local = localMember(member);
    centrals.push(centralHeader(member, offset));
    locals.push(local);
    offset += local.length;
  }
  return Buffer.concat([...locals, contentsOf(centrals, offset)]);
}

/** A zip that lists one and the same member many times: each of them unfolds to all of its bytes. */
export function overlappingZip(bytes: Uint8Array, times: number): Buffer {
  const one = packed({ name: 'x.dcm', bytes });
  const local = localMember(one);
  const centrals = Array.from({ length: times }, (_, n) =>
    centralHeader({ ...one, member: { name: `${n}.dcm`, bytes } }, 0),
  );
  return Buffer.concat([local, contentsOf(centrals, local.length)]);
}

function packed(member: ZipMember): PackedMember {
  const content = member.stored === true ? member.bytes : deflateRawSync(member.bytes);
  return { member, content, crc32: member.claimedCrc32 ?? crc32(member.bytes) };
}

function contentsOf(centrals: readonly Buffer[], offset: number): Buffer {
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(centrals.length, 8);
  end.writeUInt16LE(centrals.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([central, end]);
}

function localMember(packed: PackedMember): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  commonFields(packed).copy(header, 4);
  return Buffer.concat([header, nameBytes(packed.member), packed.content]);
}

function centralHeader(packed: PackedMember, offset: number): Buffer {
  const { member } = packed;
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(0x0314, 4);
  commonFields(packed).copy(header, 6);
  header.writeUInt32LE(((member.mode ?? 0o100644) << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, nameBytes(member)]);
}

function commonFields({ member, content, crc32 }: PackedMember): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(member.isEncrypted === true ? 1 : 0, 2);
  fields.writeUInt16LE(member.stored === true ? 0 : 8, 4);
  fields.writeUInt32LE(crc32, 10);
  fields.writeUInt32LE(content.byteLength, 14);
  fields.writeUInt32LE(member.bytes.byteLength, 18);
  fields.writeUInt16LE(nameBytes(member).length, 22);
  return fields;
}

function nameBytes({ name }: ZipMember): Buffer {
  return typeof name === 'string' ? Buffer.from(name) : name;
}

/** A tar with members by name; `symlink` members point to their content. */
export async function tar(
  members: readonly { readonly name: string; readonly bytes: Uint8Array; readonly symlink?: boolean }[],
): Promise<Buffer> {
  const stream = pack();
  for (const { name, bytes, symlink } of members) {
    if (symlink === true) {
      stream.entry({ name, type: 'symlink', linkname: Buffer.from(bytes).toString() });
    } else {
      stream.entry({ name }, Buffer.from(bytes));
    }
  }
  stream.finalize();
  return buffer(stream);
}

/** A file of a storage with `StorageCompression`. */
export function zlibWithSize(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(bytes.byteLength));
  return Buffer.concat([size, deflateSync(bytes)]);
}

/** An object as the object-storage plugin encrypts it, by the format that the Orthanc Book documents. */
export function encryptObject(bytes: Uint8Array, masterKey: Buffer, keyId: number): Buffer {
  const dataKey = randomBytes(32);
  const iv = randomBytes(32);
  const wrap = (secret: Buffer) => {
    const cipher = createCipheriv('aes-256-ctr', masterKey, Buffer.alloc(16));
    return Buffer.concat([cipher.update(secret), cipher.final()]);
  };
  const id = Buffer.alloc(4);
  id.writeUInt32LE(keyId);
  const header = Buffer.concat([Buffer.from('A1'), id, wrap(iv), wrap(dataKey)]);
  const cipher = createCipheriv('aes-256-gcm', dataKey, iv).setAAD(header);
  return Buffer.concat([header, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]);
}
