import { describe, expect, it } from 'vitest';
import { type HookedOrthancOptions, startHookedOrthanc, testSecret } from '../support/hooks/hooked-orthanc.ts';
import {
  annotateAt,
  deleteAt,
  logEverything,
  nthInstance,
  postLatencies,
  postTo,
  postUntil,
} from '../support/hooks/study-at.ts';
import { startWebhook } from '../support/hooks/webhook-server.ts';

type Hooked = Pick<HookedOrthancOptions, 'version' | 'hook' | 'config'>;

const heartbeat = { LuaHeartBeatPeriod: 1 };

const hooks: readonly Hooked[] = [
  // Without SetHttpTimeout and a heartbeat: as docs/hooks.md tells to configure it.
  { hook: 'lua', version: '1.10.1', config: { HttpTimeout: 1 } },
  { hook: 'lua', version: '1.12.7', config: heartbeat },
  { hook: 'lua', version: '1.13.0', config: heartbeat },
  { hook: 'python', version: '1.10.1' },
  { hook: 'python', version: '1.12.7' },
  { hook: 'python', version: '1.13.0' },
];

const webhookOptions = { mirrors: ['main'], secrets: [testSecret], rate: { perSecond: 1000, burst: 1000 } };

const otherScripts = {
  lua: `function OnStoredInstance(id) print('earlier handler saw ' .. id) end
    function OnDeletedInstance(id) error('the earlier handler fails') end`,
  python: `import orthanc_mirror
import orthanc
def on_change(change, level, resource):
    if change == orthanc.ChangeType.NEW_INSTANCE:
        orthanc.LogWarning('earlier handler saw ' + resource)
    if change == orthanc.ChangeType.DELETED:
        raise RuntimeError('the earlier handler fails')
orthanc.RegisterOnChangeCallback(on_change)
`,
};

/** The hooks pause after a failure, longer each time: while many instances come they ask so often at most. */
const mostRequests = 20;

describe.each(hooks)('the $hook hook in Orthanc $version', ({ hook, version, config = {} }) => {
  it('announces what is stored, updated, stable and deleted, beside another handler, and tells no secret', async () => {
    await using webhook = await startWebhook(webhookOptions);
    const otherScript = otherScripts[hook];
    await using hooked = await startHookedOrthanc({ hook, version, config, webhookUrl: webhook.url, otherScript });
    const { url } = hooked.server;
    await logEverything(url);
    const { id, studyId, ...instance } = nthInstance('announce', 0);

    await postTo(url, { id, ...instance });
    await webhook.told({ kind: 'instance', id });
    await webhook.told({ kind: 'study', id: studyId });
    await annotateAt(url, 'instances', id);
    await webhook.told({ kind: 'resource', level: 'instances', id });
    await deleteAt(url, 'studies', studyId);
    // Without a heartbeat the Lua hook sends what waits at the next event.
    const toldDeletions = Promise.all([
      webhook.told({ kind: 'deletion', level: 'instances', id }),
      webhook.told({ kind: 'deletion', level: 'studies', id: studyId }),
    ]);
    await postUntil(url, 'later', 200, toldDeletions);

    await hooked.server.pause();
    const log = await hooked.log();
    expect(log).toContain(`earlier handler saw ${id}`);
    expect(log).toContain('the earlier handler fails');
    expect(log).not.toContain(testSecret);
  });

  it('does not ask for each instance while the webhook is down or hangs, and announces again when it is back', async () => {
    await using webhook = await startWebhook(webhookOptions);
    await using hooked = await startHookedOrthanc({ hook, version, config, webhookUrl: webhook.url });
    const { url } = hooked.server;

    const up = await postLatencies(url, 'up', 200);
    await webhook.down();
    const down = await postLatencies(url, 'down', 200);
    await webhook.up();
    await postUntil(url, 'back', 200, webhook.told({ kind: 'instance', id: nthInstance('down', 0).id }));
    await webhook.told({ kind: 'instance', id: nthInstance('back', 0).id });
    await webhook.hang();
    const hanging = await postLatencies(url, 'hanging', 200, () => webhook.unanswered > 0);

    console.log(`${hook} ${version}: ${describeLatencies({ up, down, hanging })}`);
    // Each request is one that the Lua hook lets a store wait for; none of them was ever answered.
    expect(webhook.unanswered).toBeGreaterThan(0);
    expect(webhook.unanswered).toBeLessThan(mostRequests);
  });
});

describe.each(hooks.filter(({ version }) => version === '1.13.0'))('the $hook hook in Orthanc $version', (hooked) => {
  it('keeps unsent deletions across a restart', async () => {
    await using webhook = await startWebhook(webhookOptions);
    await using source = await startHookedOrthanc({ ...hooked, config: hooked.config ?? {}, webhookUrl: webhook.url });
    const { url } = source.server;
    const instances = Array.from({ length: 20 }, (_, n) => nthInstance('restart', n));
    for (const instance of instances) await postTo(url, instance);
    await webhook.told({ kind: 'instance', id: nthInstance('restart', 19).id });
    await webhook.down();
    for (const { id } of instances) await deleteAt(url, 'instances', id);
    await source.server.pause();
    await webhook.up();

    await source.server.restart();
    for (const { id } of instances) await webhook.told({ kind: 'deletion', level: 'instances', id });
    const toldOnce = webhook.announcements.length;
    await source.server.pause();
    await source.server.restart();
    await postTo(url, nthInstance('restart', 99));
    await webhook.told({ kind: 'instance', id: nthInstance('restart', 99).id });
    const after = webhook.announcements.slice(toldOnce).filter(({ kind }) => kind === 'deletion');
    expect(after).toEqual([]);
  });
});

it('announces nothing from a server that a dead webhook would stop for a minute, and says what to configure', async () => {
  await using webhook = await startWebhook(webhookOptions);
  await using hooked = await startHookedOrthanc({ hook: 'lua', version: '1.10.1', webhookUrl: webhook.url });
  await postTo(hooked.server.url, nthInstance('inactive', 0));
  await hooked.server.pause();
  expect(webhook.announcements).toEqual([]);
  expect(await hooked.log()).toContain('set "HttpTimeout" to at most 10');
});

function describeLatencies(measured: Readonly<Record<string, { medianMs: number; p99Ms: number; longestMs: number }>>) {
  return Object.entries(measured)
    .map(([state, { medianMs, p99Ms, longestMs }]) => {
      const [median, p99, longest] = [medianMs, p99Ms, longestMs].map((latencyMs) => latencyMs.toFixed(1));
      return `webhook ${state}: POST median ${median} ms, p99 ${p99} ms, longest ${longest} ms`;
    })
    .join('; ');
}
