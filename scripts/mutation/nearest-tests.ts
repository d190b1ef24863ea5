/** Which tests of units and contracts are near to a file: by their imports, and then by their names. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const tests = new Set(
  globSync('test/{unit,contract}/**/*.test.ts')
    // What kills processes or measures memory is slow, and sees no other defects.
    .filter((test) => !/archive-(?:kills|memory|power-cut)/.test(test)),
);

const importers = importersOfAll();

/**
 * The `count` tests that reach the file over the fewest imports; of those that are equally far, the ones whose names have
 * more words of the file's path come first.
 */
export function nearestTests(file: string, count: number): readonly string[] {
  const seen = new Set([file]);
  const found: string[] = [];
  for (let ring: readonly string[] = [file]; ring.length > 0 && found.length < count; ) {
    ring = [...new Set(ring.flatMap((one) => importers.get(one) ?? []))].filter((one) => !seen.has(one)).sort();
    for (const one of ring) seen.add(one);
    const alike = (test: string) => wordsOf(test).filter((word) => wordsOf(file).includes(word)).length;
    found.push(...ring.filter((one) => tests.has(one)).sort((a, b) => alike(b) - alike(a)));
  }
  return found.slice(0, count);
}

/** Who imports each file for more than its types. */
function importersOfAll(): ReadonlyMap<string, readonly string[]> {
  const pairs = globSync('{core,cli,lambdas,local,test}/**/*.ts').flatMap((importer) => {
    const statements = readFileSync(importer, 'utf8').matchAll(
      /^(?:import|export)\s(?!type\s)[^;]*?from '(\.[^']+)';$/gm,
    );
    return [...statements].map(([, path = '']) => ({ importer, file: join(dirname(importer), path) }));
  });
  const byFile = Map.groupBy(pairs, ({ file }) => file);
  return new Map([...byFile].map(([file, found]) => [file, found.map(({ importer }) => importer)]));
}

function wordsOf(path: string): readonly string[] {
  const [, name = ''] = /^(?:core|test\/[a-z]+)\/(.*?)(?:\.test)?\.ts$/.exec(path) ?? [];
  return name.split(/[/-]/).map((word) => word.replace(/s$/, ''));
}
