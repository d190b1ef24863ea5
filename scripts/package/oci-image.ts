/** An image for containers, made without an engine and a registry, in the layout of the Open Container Initiative. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type DebianFile, librariesOf } from './host-libraries.ts';
import type { Program } from './program.ts';
import type { Release } from './release.ts';
import { below, copyOf, file, joined, packTree, type Tree } from './tree.ts';

const architectures = { x64: 'amd64', arm64: 'arm64' };
const root = 'usr/lib/orthanc-mirror';
/** A user without a name on any host. */
const user = 65_532;

interface Layer {
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 of the compressed and of the plain tar. */
  readonly digest: string;
  readonly plainDigest: string;
}

/** Writes it into the folder. @returns its name there, and what of Debian is in it. */
export async function writeImage(
  program: Program,
  release: Release,
  folder: string,
): Promise<{ readonly name: string; readonly libraries: readonly DebianFile[] }> {
  const name = `orthanc-mirror-${release.version}-oci-${architectures[release.processor]}.tar`;
  const libraries = librariesOf(join(release.nodeFolder, 'bin/node'));
  const work = await mkdtemp(join(tmpdir(), 'orthanc-mirror-oci-'));
  try {
    // What seldom changes is a layer of its own, which the next version need not send again.
    const layers = [
      await writeLayer(baseTree(libraries, release), join(work, 'base'), release),
      await writeLayer(joined(below(root, program.code), below(root, program.texts)), join(work, 'program'), release),
    ];
    const flags = await launcherFlags(release.checkout);
    const layout = layoutTree(layers, release, imageConfiguration(layers, flags, release));
    await pipeline(packTree(layout, release.time), createWriteStream(join(folder, name)));
    return { name, libraries };
  } finally {
    await rm(work, { recursive: true });
  }
}

/** The base: Node, the libraries that it needs, one user, a folder for temporary files. */
function baseTree(libraries: readonly DebianFile[], { nodeFolder }: Release): Tree {
  const packages = new Set(libraries.map((library) => library.package));
  return new Map([
    [`${root}/node`, copyOf(join(nodeFolder, 'bin/node'), 0o755)],
    [`${root}/node-license`, copyOf(join(nodeFolder, 'LICENSE'))],
    ...libraries.map(({ path }) => [path.slice(1), copyOf(path, 0o755)] as const),
    ...[...packages].map(
      (each) => [`usr/share/doc/${each}/copyright`, copyOf(`/usr/share/doc/${each}/copyright`)] as const,
    ),
    ['etc/passwd', file(`orthanc-mirror:x:${user}:${user}::/tmp:/nonexistent\n`)],
    ['etc/group', file(`orthanc-mirror:x:${user}:\n`)],
    ['etc/nsswitch.conf', file('hosts: files dns\n')],
    ['tmp', { kind: 'folder', mode: 0o1777 }],
  ]);
}

async function writeLayer(tree: Tree, path: string, { time, fast }: Release): Promise<Layer> {
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  await pipeline(
    packTree(tree, time),
    hashing(plain),
    createGzip({ level: fast ? 1 : 6 }),
    hashing(packed),
    createWriteStream(path),
  );
  const { size: sizeBytes } = await stat(path);
  return { path, sizeBytes, digest: packed.digest('hex'), plainDigest: plain.digest('hex') };
}

function hashing(hash: ReturnType<typeof createHash>): PassThrough {
  return new PassThrough().on('data', (chunk: Buffer) => hash.update(chunk));
}

/** There is no shell in the image: what the launcher does is the entry point. */
async function launcherFlags(checkout: string): Promise<readonly string[]> {
  const flags = /^flags='(.+)'$/m.exec(await readFile(join(checkout, 'bin/orthanc-mirror'), 'utf8'))?.[1];
  if (flags === undefined) throw new Error('bin/orthanc-mirror does not tell the flags of Node');
  return flags.split(' ');
}

function imageConfiguration(layers: readonly Layer[], flags: readonly string[], release: Release): object {
  const created = release.time.toISOString();
  return {
    created,
    architecture: architectures[release.processor],
    os: 'linux',
    config: {
      User: `${user}:${user}`,
      Entrypoint: [`/${root}/node`, ...flags, `/${root}/cli/main.js`],
      Cmd: ['--help'],
      Env: ['PATH=/usr/bin:/bin', 'HOME=/tmp'],
      WorkingDir: '/',
      StopSignal: 'SIGTERM',
      // The only folder that is written to; an engine gives it also where the rest is read-only.
      Volumes: { '/tmp': {} },
      Labels: {
        'org.opencontainers.image.title': 'orthanc-mirror',
        'org.opencontainers.image.description': release.description,
        'org.opencontainers.image.version': release.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
        ...(release.commit !== undefined && { 'org.opencontainers.image.revision': release.commit }),
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ plainDigest }) => `sha256:${plainDigest}`) },
    history: layers.map(() => ({ created, created_by: 'npm run package' })),
  };
}

function layoutTree(layers: readonly Layer[], { version }: Release, configuration: object): Tree {
  const blobs = new Map(layers.map(({ digest, path }) => [`blobs/sha256/${digest}`, copyOf(path)]));
  const blobOf = (mediaType: string, value: object) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = createHash('sha256').update(bytes).digest('hex');
    blobs.set(`blobs/sha256/${digest}`, file(bytes));
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const type = (kind: string) => `application/vnd.oci.image.${kind}`;
  const config = blobOf(type('config.v1+json'), configuration);
  const manifest = blobOf(type('manifest.v1+json'), {
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config,
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: type('layer.v1.tar+gzip'),
      digest: `sha256:${digest}`,
      size: sizeBytes,
    })),
  });
  const tag = `orthanc-mirror:${version}`;
  const annotations = {
    'org.opencontainers.image.ref.name': version,
    'io.containerd.image.name': `docker.io/library/${tag}`,
  };
  const index = { schemaVersion: 2, mediaType: type('index.v1+json'), manifests: [{ ...manifest, annotations }] };
  const blobPath = (digest: string) => `blobs/sha256/${digest.replace('sha256:', '')}`;
  // Read by "docker load" of engines that do not know the layout.
  const ofDocker = [
    { Config: blobPath(config.digest), RepoTags: [tag], Layers: layers.map(({ digest }) => blobPath(digest)) },
  ];
  return joined(
    blobs,
    new Map([
      ['oci-layout', file(JSON.stringify({ imageLayoutVersion: '1.0.0' }))],
      ['index.json', file(JSON.stringify(index))],
      ['manifest.json', file(JSON.stringify(ofDocker))],
    ]),
  );
}
