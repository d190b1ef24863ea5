/** The Debian package: the program with a Node of its own, and its services. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Program } from './program.ts';
import type { Release } from './release.ts';
import {
  below,
  contentOf,
  copyOf,
  copyOfFolder,
  type Entry,
  file,
  joined,
  link,
  sizeOf,
  type Tree,
  writeTree,
} from './tree.ts';

const architectures = { x64: 'amd64', arm64: 'arm64' };
const documentation = 'usr/share/doc/orthanc-mirror';

/** Writes it into the folder. @returns its name there. */
export async function writeDebianPackage(program: Program, release: Release, folder: string): Promise<string> {
  const name = `orthanc-mirror_${release.version}_${architectures[release.processor]}.deb`;
  const files = await installedFiles(program, release);
  const staged = await mkdtemp(join(tmpdir(), 'orthanc-mirror-deb-'));
  try {
    await writeTree(joined(files, below('DEBIAN', await controlFiles(files, release))), staged, release.time);
    const packing = release.fast ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6', '--threads-max=2'];
    await promisify(execFile)('dpkg-deb', ['--root-owner-group', ...packing, '--build', staged, join(folder, name)], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(release.time.getTime() / 1000) },
    });
    return name;
  } finally {
    await rm(staged, { recursive: true });
  }
}

async function installedFiles(program: Program, { checkout, nodeFolder }: Release): Promise<Tree> {
  const packaging = join(checkout, 'packaging');
  return joined(
    below('usr/lib/orthanc-mirror', program.code),
    below('usr/lib/systemd/system', await copyOfFolder(join(packaging, 'systemd'))),
    below(`${documentation}/examples`, await copyOfFolder(join(packaging, 'examples'))),
    new Map([
      ['usr/lib/orthanc-mirror/node', copyOf(join(nodeFolder, 'bin/node'), 0o755)],
      ['usr/bin/orthanc-mirror', link('../lib/orthanc-mirror/bin/orthanc-mirror')],
      ['usr/share/man/man1/orthanc-mirror.1.gz', file(gzipSync(program.manPage, { level: 9 }))],
      ['usr/share/bash-completion/completions/orthanc-mirror', file(program.completions.bash)],
      ['usr/share/zsh/vendor-completions/_orthanc-mirror', file(program.completions.zsh)],
      ['usr/share/fish/vendor_completions.d/orthanc-mirror.fish', file(program.completions.fish)],
      [`${documentation}/copyright`, copyOf(join(packaging, 'debian/copyright'))],
      [`${documentation}/node-license`, copyOf(join(nodeFolder, 'LICENSE'))],
      // The services may read secrets here; the installation closes it for everybody else.
      ['etc/orthanc-mirror', { kind: 'folder', mode: 0o755 }],
    ]),
    below(documentation, program.texts),
  );
}

async function controlFiles(files: Tree, { checkout, version, processor, description }: Release): Promise<Tree> {
  const control = [
    'Package: orthanc-mirror',
    `Version: ${version}`,
    `Architecture: ${architectures[processor]}`,
    'Maintainer: orthanc-mirror maintainers <maintainers@orthanc-mirror.invalid>',
    `Installed-Size: ${Math.ceil((await sizeOf(files)) / 1024)}`,
    // What the program of Node wants; all of it is in every Debian since 10 and Ubuntu since 20.04.
    'Depends: libc6 (>= 2.28), libgcc-s1 | libgcc1, libstdc++6 (>= 5), passwd',
    'Section: admin',
    'Priority: optional',
    'Description: second Orthanc DICOM server and provable archive, always identical',
    ` ${description}.`,
    ' It brings a Node.js of its own and changes nothing of the machine until a service is enabled.',
  ];
  const sums = await Promise.all([...files].filter(([, { kind }]) => kind === 'file').map(md5Line));
  const scripts = ['postinst', 'prerm', 'postrm'].map(
    (name) => [name, copyOf(join(checkout, 'packaging/debian', name), 0o755)] as const,
  );
  return new Map([['control', file(`${control.join('\n')}\n`)], ['md5sums', file(sums.join(''))], ...scripts]);
}

async function md5Line([path, entry]: readonly [string, Entry]): Promise<string> {
  return `${createHash('md5')
    .update(await contentOf(entry))
    .digest('hex')}  ${path}\n`;
}
