/** The Debian package, installed in fresh Debians that have no Node: one with next to nothing, one that runs systemd. */
import { copyFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { staged } from '../e2e/support/readme-blocks.ts';
import { folderForTest } from '../e2e/support/scene.ts';
import { artefactsForFile } from './support/artefacts.ts';
import { type Base, FreshRoot, freshRootsWork } from './support/fresh-root.ts';
import { expectRoundTrip, filledServer } from './support/round-trip.ts';

const artefacts = artefactsForFile('deb');

/** As the README says it: as root already, and from the folder that is shared. */
const install = staged(
  'needs: debian package',
  new Map([
    ['sudo ', ''],
    ['./dist/', '/mnt/'],
  ]),
);

/** A root with the package in it, and the folder that is its `/mnt`. */
async function installed(base: Base): Promise<{ root: FreshRoot; shared: string }> {
  const shared = await folderForTest();
  const deb = artefacts.path('.deb');
  await copyFile(deb, join(shared, basename(deb)));
  const root = await FreshRoot.forTest(base, shared);
  expect(await root.run(install)).toMatchObject({ exitCode: 0 });
  return { root, shared };
}

const onDebian = test.runIf(freshRootsWork);

onDebian('needs nothing but Debian: installs, mirrors and restores, and is removed without a trace', async () => {
  const { root } = await installed('bare');
  expect((await root.run('command -v node || true')).stdout).toBe('');
  expect((await root.run('orthanc-mirror --version')).stdout).toBe(`${packageJson.version}\n`);
  expect(await root.run('dpkg --verify orthanc-mirror')).toMatchObject({ exitCode: 0, stdout: '' });
  // Any user may run it.
  const asAnybody = 'setpriv --reuid 1234 --regid 1234 --clear-groups orthanc-mirror';
  expect((await root.run('mkdir -m 777 /srv/work')).exitCode).toBe(0);
  await expectRoundTrip('/srv/work', (...args) => root.run(`${asAnybody} ${args.join(' ')}`));

  expect((await root.run('dpkg --purge orthanc-mirror')).exitCode).toBe(0);
  const left = await root.run("find / -xdev -path /mnt -prune -o -name '*orthanc*mirror*' -print");
  expect(left.stdout).toBe('');
  // What was copied stays.
  expect((await root.run('ls /srv/work/archive')).stdout).toContain('instances');
});

onDebian('keeps the secrets beside its configuration from everybody but root and its services', async () => {
  const { root } = await installed('bare');
  expect((await root.run("stat --format '%U:%G %a' /etc/orthanc-mirror /usr/lib/orthanc-mirror/node")).stdout).toBe(
    'root:orthanc-mirror 750\nroot:root 755\n',
  );
  expect((await root.run('getent passwd orthanc-mirror')).stdout).toMatch(
    /:\/var\/lib\/orthanc-mirror:\/usr\/sbin\/nologin\n$/,
  );
  // A second installation leaves alone what an administrator decided.
  await root.run('chmod 700 /etc/orthanc-mirror; dpkg --install /mnt/*.deb');
  expect((await root.run('stat --format %a /etc/orthanc-mirror')).stdout).toBe('700\n');
});

onDebian('has units that systemd finds right and well closed', async () => {
  const { root } = await installed('systemd');
  const units = ['orthanc-mirror@main.service', 'orthanc-mirror-verify@main.service'];
  expect(await root.run(`systemd-analyze verify ${units.join(' ')} orthanc-mirror-verify@main.timer`)).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  for (const unit of units) {
    const { stdout } = await root.run(`systemd-analyze security --offline=true --no-pager ${unit}`);
    const score = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    expect(score, unit).toBeLessThanOrEqual(2.5);
  }
});

onDebian(
  'mirrors as a service of systemd: tells that it is ready, is started again when it hangs, ends in order',
  async () => {
    const source = await filledServer();
    const { root, shared } = await installed('systemd');
    await writeFile(
      join(shared, 'main.jsonc'),
      JSON.stringify({
        mirrors: { main: { source: { url: source.url }, archive: { folder: '/var/lib/orthanc-mirror/main' } } },
      }),
    );
    await writeFile(join(shared, 'main.env'), 'ORTHANC_MIRROR_ARCHIVE=/var/lib/orthanc-mirror/main\n');
    await writeFile(
      join(shared, 'impatient.conf'),
      '[Service]\nWatchdogSec=6s\nTimeoutAbortSec=1s\nRestartSec=100ms\nTimeoutStartSec=60s\n',
    );
    await root.run(`cp /mnt/main.jsonc /mnt/main.env /etc/orthanc-mirror
    mkdir -p /etc/systemd/system/orthanc-mirror@.service.d
    cp /mnt/impatient.conf /etc/systemd/system/orthanc-mirror@.service.d`);
    await root.boot();
    const property = async (unit: string, name: string) =>
      (await root.run(`systemctl show --value --property ${name} ${unit}`)).stdout.trim();
    const mirror = 'orthanc-mirror@main.service';

    // Type=notify: it returns when the service has said that it is ready.
    expect(await root.run(`systemctl start ${mirror}`)).toMatchObject({ exitCode: 0 });
    const archived = async () =>
      (await root.run('find /var/lib/orthanc-mirror/main/instances -name "*.dcm" | wc -l')).stdout.trim();
    await expect.poll(archived, { timeout: 30_000 }).toBe('5');
    expect((await root.run('stat --format %U:%a /var/lib/orthanc-mirror')).stdout).toBe('orthanc-mirror:750\n');

    const pid = await property(mirror, 'MainPID');
    // It outlives the time that a silent one would have, by its signs of life.
    const lastSign = async () => Number(await property(mirror, 'WatchdogTimestampMonotonic')) / 1e6;
    const ready = await lastSign();
    await expect.poll(lastSign, { timeout: 60_000 }).toBeGreaterThan(ready + 6);
    expect(await property(mirror, 'MainPID')).toBe(pid);

    await root.run(`kill -STOP ${pid}`);
    await expect.poll(() => property(mirror, 'NRestarts'), { timeout: 60_000 }).toBe('1');
    await expect.poll(() => property(mirror, 'ActiveState'), { timeout: 60_000 }).toBe('active');
    expect(await property(mirror, 'MainPID')).not.toBe(pid);

    expect(await root.run(`systemctl stop ${mirror}`)).toMatchObject({ exitCode: 0 });
    expect([await property(mirror, 'ActiveState'), await property(mirror, 'Result')]).toEqual(['inactive', 'success']);

    const verify = 'orthanc-mirror-verify@main.service';
    expect(await root.run(`systemctl start ${verify}`)).toMatchObject({ exitCode: 0 });
    expect([await property(verify, 'Result'), await property(verify, 'ExecMainStatus')]).toEqual(['success', '0']);
    expect(await root.run('systemctl enable --now orthanc-mirror-verify@main.timer')).toMatchObject({ exitCode: 0 });
    expect((await root.run('systemctl list-timers --all --no-pager')).stdout).toContain(verify);

    expect((await root.run('dpkg --remove orthanc-mirror')).exitCode).toBe(0);
    expect(await property('orthanc-mirror-verify@main.timer', 'ActiveState')).toBe('inactive');
  },
);

onDebian('completes commands, options and values in bash, zsh and fish, and has a manual', async () => {
  const { root } = await installed('systemd');
  const bash = async (...words: readonly string[]) => {
    const { stdout } = await root.run(`bash -c '
      . /usr/share/bash-completion/completions/orthanc-mirror
      COMP_WORDS=(orthanc-mirror ${words.join(' ')}) COMP_CWORD=${words.length}
      _orthanc_mirror
      printf "%s\\n" "\${COMPREPLY[@]}"'`);
    return stdout.trimEnd().split('\n');
  };
  expect(await bash('re')).toEqual(['restore', 'redrive', 'resume']);
  expect(await bash('run', '--arch')).toEqual(['--archive']);
  expect(await bash('run', '--conflicts', 'k')).toEqual(['keep-target']);
  expect(await bash('run', '--archive', '/etc/orthanc-m')).toEqual(['/etc/orthanc-mirror']);
  expect(await bash('backup', 'l')).toEqual(['list']);

  const fish = async (line: string) =>
    (
      await root.run(
        `fish --no-config --command 'set fish_complete_path /usr/share/fish/vendor_completions.d; complete --do-complete "${line}"'`,
      )
    ).stdout
      .trimEnd()
      .split('\n')
      .map((found) => found.split('\t')[0]);
  expect(new Set(await fish('orthanc-mirror re'))).toEqual(new Set(['restore', 'redrive', 'resume']));
  expect(await fish('orthanc-mirror run --arch')).toEqual(['--archive']);
  expect(await fish('orthanc-mirror run --conflicts k')).toEqual(['keep-target']);
  expect(await fish('orthanc-mirror backup l')).toEqual(['list']);

  expect(await zshCompletes(root, 'orthanc-mirror redr')).toBe('orthanc-mirror redrive ');
  expect(await zshCompletes(root, 'orthanc-mirror run --arch')).toBe('orthanc-mirror run --archive ');
  expect(await zshCompletes(root, 'orthanc-mirror run --conflicts k')).toBe(
    'orthanc-mirror run --conflicts keep-target ',
  );
  expect(await zshCompletes(root, 'orthanc-mirror backup li')).toBe('orthanc-mirror backup list ');

  const manual = await root.run('MANWIDTH=80 man --warnings orthanc-mirror');
  expect(manual).toMatchObject({ exitCode: 0, stderr: '' });
  expect(manual.stdout).toContain('ORTHANC_MIRROR_ARCHIVE');
});

/** What zsh makes of a line when the tabulator is pressed, in a terminal of its own. */
async function zshCompletes(root: FreshRoot, line: string): Promise<string> {
  const { stdout } = await root.run(`cat > /tmp/.zshrc <<'EOF'
autoload -U compinit; compinit -u -D
show() { print -r -- "$BUFFER" > /tmp/completed; exit }
zle -N show; bindkey '^X' show; bindkey '^I' complete-word
PS1='ready>'
EOF
    cat > /tmp/press-tab.zsh <<'EOF'
zmodload zsh/zpty
zpty shell ZDOTDIR=/tmp zsh -i
zpty -r shell said '*ready>*'
zpty -n -w shell "$1"$'\\t\\x18'
while zpty -r shell said; do :; done
EOF
    timeout 30 zsh -f /tmp/press-tab.zsh '${line}'
    cat /tmp/completed`);
  return stdout.replace(/\n$/, '');
}
