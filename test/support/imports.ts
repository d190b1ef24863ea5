/** What the files of this checkout import. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The files and packages that a file imports for more than their types, and not only when it needs them. */
export function importsOf(file: string): readonly string[] {
  const statements = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s(?!type\s)[^;]*?from '([^']+)';$/gm);
  return [...statements].map(([, path = '']) => (path.startsWith('.') ? join(dirname(file), path) : path));
}

/** The files and packages that are loaded with a file: what it imports, what that imports, and so on. */
export function loadedWith(file: string): ReadonlySet<string> {
  const loaded = new Set([file]);
  for (const each of loaded) if (each.endsWith('.ts')) for (const path of importsOf(each)) loaded.add(path);
  return loaded;
}
