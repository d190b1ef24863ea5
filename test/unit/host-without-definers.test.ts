import fc from 'fast-check';
import { expect, it } from 'vitest';
import { withoutDefiners } from '../../core/host/backup/without-definers.ts';

/** Lines as mariadb-dump and mysqldump write them. */
const dump = [
  'INSERT INTO `Metadata` VALUES',
  "(1,1024,'/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ \\nCREATE DEFINER=`a`@`b` PROCEDURE'),",
  `(2,1024,'${'x'.repeat(2000)}');`,
  '/*!50003 CREATE*/ /*!50017 DEFINER=`or``thanc`@`localhost`*/ /*!50003 TRIGGER AttachedFileDeleted',
  'CREATE DEFINER=`orthanc`@`%` PROCEDURE `CreateInstance`(',
  'END */;;',
].join('\n');
const expected = dump
  .replace('/*!50017 DEFINER=`or``thanc`@`localhost`*/ ', '')
  .replace('DEFINER=`orthanc`@`%` PROCEDURE `Create', 'PROCEDURE `Create');

async function filtered(bytes: Buffer, chunkBytes: number): Promise<string> {
  const chunks = async function* () {
    for (let from = 0; from < bytes.length; from += chunkBytes) yield bytes.subarray(from, from + chunkBytes);
  };
  return Buffer.concat(await Array.fromAsync(withoutDefiners(chunks()))).toString();
}

it('the makers of triggers and procedures are left out of a dump, and nothing else, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), async (chunkBytes) => {
      expect(await filtered(Buffer.from(dump), chunkBytes)).toBe(expected);
    }),
  );
});

it('any other bytes pass as they are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }),
      fc.integer({ min: 1, max: 700 }),
      async (bytes, chunkBytes) => {
        const source = Buffer.from(bytes);
        expect(await filtered(source, chunkBytes)).toBe(source.toString());
      },
    ),
  );
});
