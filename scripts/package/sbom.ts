/** What an artefact is made of, in CycloneDX: npm's own list, of which only that stays which is really in it. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { BundledPackage } from './bundle.ts';
import type { DebianFile } from './host-libraries.ts';
import type { Release } from './release.ts';

const component = z.looseObject({ 'bom-ref': z.string(), name: z.string(), version: z.string() });
const list = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({}) }),
  components: z.array(component),
  dependencies: z.array(z.looseObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

export interface Contents {
  readonly packages: readonly Pick<BundledPackage, 'name' | 'version'>[];
  /** Debian packages that libraries come from. */
  readonly libraries: readonly DebianFile[];
}

/** The list as JSON. Throws when something is in the artefact that npm's lock file does not know. */
export function sbomOf(
  { checkout, version, description, commit, time }: Release,
  { packages, libraries }: Contents,
): string {
  const all = list.parse(JSON.parse(npmSbom(checkout)));
  const components = packages.map(({ name, version: wanted }) => {
    const found = all.components.find((each) => each.name === name && each.version === wanted);
    if (found === undefined) throw new Error(`${name} ${wanted} is packed, and not in the lock file`);
    return found;
  });
  const known = new Set(components.map((each) => each['bom-ref']));
  const root = `orthanc-mirror@${version}`;
  const dependencies = all.dependencies
    .filter(({ ref }) => ref === root || known.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => known.has(each)) }));
  const content = {
    ...all,
    serialNumber: undefined,
    metadata: {
      ...all.metadata,
      timestamp: time.toISOString(),
      component: {
        ...all.metadata.component,
        type: 'application',
        name: 'orthanc-mirror',
        description,
        properties: commit === undefined ? [] : [{ name: 'git:commit', value: commit }],
      },
    },
    components: [...components, ...libraryComponents(libraries)],
    dependencies,
  };
  return `${JSON.stringify({ ...content, serialNumber: serialNumberOf(content) }, undefined, 2)}\n`;
}

function npmSbom(checkout: string): string {
  // Not `--omit=dev`, which leaves out what packages of both kinds need (npm 11).
  const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  return execFileSync('npm', args, { cwd: checkout, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function libraryComponents(libraries: readonly DebianFile[]): readonly object[] {
  const packages = new Map(libraries.map((library) => [`${library.package}@${library.version}`, library]));
  return [...packages].map(([ref, each]) => ({
    'bom-ref': ref,
    type: 'library',
    name: each.package,
    version: each.version,
    purl: `pkg:deb/debian/${each.package}@${encodeURIComponent(each.version)}`,
  }));
}

/** A UUID of the content, so that the same content has the same number. */
function serialNumberOf(content: object): string {
  const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  const variant = ((Number.parseInt(hash.charAt(16), 16) % 4) + 8).toString(16);
  const groups = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `${variant}${hash.slice(17, 20)}`];
  return `urn:uuid:${[...groups, hash.slice(20, 32)].join('-')}`;
}
