/** What the program says of itself. Imported, not read, so that a bundle has it wherever its pieces lie. */
import packageJson from '../package.json' with { type: 'json' };

/** Version and description of this program, as its package tells them. */
export function packageFacts(): { readonly version: string; readonly description: string } {
  return packageJson;
}
