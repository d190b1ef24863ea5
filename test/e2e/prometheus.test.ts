/** Debian's Prometheus understands what a watch tells, and raises the alarms of `packaging/examples/prometheus-rules.yml`. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { generateInstances } from '../../local/dicom/generate.ts';
import { freePort } from '../../local/free-port.ts';
import { startCommand } from '../support/command.ts';
import { needs } from '../support/needs.ts';

import { checkout } from './support/readme-blocks.ts';
import { folderForTest, serverForTest, storeAll } from './support/scene.ts';

const programs = join(checkout, '.cache/prometheus');
const rulesFile = join(checkout, 'packaging/examples/prometheus-rules.yml');
const hasPrometheus = needs(existsSync(join(programs, 'prometheus')), 'Prometheus: sh scripts/install-prometheus.sh');

function promtool(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(join(programs, 'promtool'), args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

test.runIf(hasPrometheus)('the rules are rules', () => {
  expect(promtool(['check', 'rules', '--lint=all', '--lint-fatal', rulesFile])).toMatchObject({ status: 0 });
});

const alertsAnswer = z.object({
  data: z.object({ alerts: z.array(z.object({ labels: z.object({ alertname: z.string() }), state: z.string() })) }),
});

const upAnswer = z.object({
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
});

test.runIf(hasPrometheus)('a watch is scraped without a complaint, and its end raises the alarms', async () => {
  const [source, folder, watchPort, port] = [
    await serverForTest(),
    await folderForTest(),
    await freePort(),
    await freePort(),
  ];
  await storeAll(source, generateInstances('prometheus', 3, 4096));
  const watched = `127.0.0.1:${watchPort}`;
  const watch = startCommand(['run', source.url, '--archive', join(folder, 'archive'), '--watch', '--listen', watched]);
  onTestFinished(() => void watch.process.kill('SIGKILL'));
  const health = () =>
    fetch(`http://${watched}/healthz`)
      .then(({ status }) => status)
      .catch(() => 0);
  await expect.poll(health, { timeout: 60_000 }).toBe(200);

  const metrics = await (await fetch(`http://${watched}/metrics`)).text();
  expect(metrics).toContain('orthanc_mirror_copied_instances_total 3');
  expect(promtool(['check', 'metrics'], metrics)).toEqual({ status: 0, said: '' });

  const alarms = await prometheusScraping(watched, folder, port);
  const scraped = async () =>
    upAnswer.parse(await (await fetch(`http://127.0.0.1:${port}/api/v1/query?query=up`)).json());
  await expect
    .poll(scraped, { timeout: 60_000 })
    .toMatchObject({ data: { result: [{ value: [expect.anything(), '1'] }] } });
  expect(await alarms()).not.toContain('OrthancMirrorStopped');
  watch.process.kill('SIGTERM');
  await watch.result;
  const both = ['OrthancMirrorNotCompared', 'OrthancMirrorStopped'];
  await expect.poll(async () => (await alarms()).toSorted(), { timeout: 60_000 }).toEqual(both);
});

/** Starts Prometheus with the shipped rules, in which a day and a minute are a second. @returns the alarms that fire */
async function prometheusScraping(
  target: string,
  folder: string,
  port: number,
): Promise<() => Promise<readonly string[]>> {
  const rules = (await readFile(rulesFile, 'utf8')).replace('> 172800', '> 2').replace('for: 5m', 'for: 1s');
  await writeFile(join(folder, 'rules.yml'), rules);
  const configuration = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: ['rules.yml'],
    scrape_configs: [{ job_name: 'orthanc-mirror', static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(configuration));
  const child = spawn(
    join(programs, 'prometheus'),
    ['--config.file=prometheus.yml', '--storage.tsdb.path=data', `--web.listen-address=127.0.0.1:${port}`],
    { cwd: folder, stdio: 'ignore' },
  );
  onTestFinished(async () => {
    child.kill();
    await once(child, 'exit');
  });
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/-/ready`)
      .then(({ ok }) => ok)
      .catch(() => false);
  await expect.poll(ready, { timeout: 60_000 }).toBe(true);
  return async () => {
    const answer = alertsAnswer.parse(await (await fetch(`http://127.0.0.1:${port}/api/v1/alerts`)).json());
    return answer.data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname);
  };
}
