/** The synthesized stack restores a target that lost everything, while the source is gone for good. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { runCommand } from '../support/command.ts';
import { type FaultyProxy, startProxy } from './stack-proxy.ts';
import { synthesizeStack } from './stack-synth.ts';

const eventually = { timeout: 90_000, interval: 100 };
const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };
/** In a study with others; the proxy before the target knows it by its size. */
const unlucky = generateInstance(placeOfNth('restored', 29), 8000);
const instances = [...generateInstances('restored', 29, 4096), unlucky];

const cleanUp = new AsyncDisposableStack();
let source: OrthancServer;
let target: OrthancServer;
let proxy: FaultyProxy;
/** What the proxy does with the unlucky instance. */
let fault: 'drop' | number | undefined;
let stack: LocalStack;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-cloud-restore-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  [source, target] = await Promise.all([startOrthanc(), startOrthanc()]);
  cleanUp.defer(() => target.stop());
  cleanUp.defer(() => source.stop());
  proxy = await startProxy(target.url, ({ headers }) =>
    headers['content-length'] === String(unlucky.sizeBytes) ? fault : undefined,
  );
  cleanUp.defer(() => proxy.stop());
  const templateFolder = await synthesizeStack(configuration(), folder);
  const stateFolder = join(folder, 'state');
  const first = await startLocalStack({ templateFolder, stateFolder, scheduleMinuteMs: 'off' });
  for (const { bytes } of instances) await fetch(new URL('/instances', source.url), { method: 'POST', body: bytes });
  await describePatient();
  await first.invoke('scheduler', { mirror: 'main' });
  await vi.waitUntil(() => first.idle(), eventually);
  // New processes: nothing is open any more, and the source is not there to be opened.
  await first.stop();
  stack = await startLocalStack({ templateFolder, stateFolder, scheduleMinuteMs: 'off' });
  cleanUp.defer(() => stack.stop());
});

afterAll(() => cleanUp.disposeAsync());

function configuration(): unknown {
  return {
    mirrors: { main: { source: { url: source.url }, targets: { standby: { url: proxy.url } }, archive: {} } },
    cloud: {
      allowPrivateNetworks: true,
      transfer: { timeoutSeconds: 60, maxReceiveCount: 3, firstRetrySeconds: 1, lastRetrySeconds: 1, pauseSeconds: 1 },
    },
  };
}

async function listed(server: OrthancServer, level: string): Promise<string[]> {
  const answer = await fetch(new URL(`/${level}`, server.url));
  return z
    .array(z.string())
    .parse(await answer.json())
    .toSorted();
}

/** What the DICOM files do not hold: protection of a patient. */
async function describePatient(): Promise<void> {
  const [patient] = await listed(source, 'patients');
  await fetch(new URL(`/patients/${patient}/protected`, source.url), { method: 'PUT', body: '1' });
}

const isProtected = async (patient: string | undefined): Promise<string> =>
  (await fetch(new URL(`/patients/${patient}/protected`, target.url))).text();

function restoreToStandby() {
  const place = ['--archive', `s3://${stack.bucketNames[0]}/main`, '--endpoint', stack.s3Endpoint];
  const queue = ['--queues', stack.queuesUrl];
  return runCommand(['restore', ...place, '--to', 'standby', ...queue, '--json'], credentials);
}

/** Restores while the target lacks the unlucky instance. @returns exit code and what was told of that instance */
async function restoreUnlucky(): Promise<{ exitCode: number | null; told: unknown[] }> {
  await fetch(new URL(`/instances/${unlucky.id}`, target.url), { method: 'DELETE' });
  const { exitCode, stdout } = await restoreToStandby();
  const lines = stdout.trim().split('\n').map(parseLine);
  return { exitCode, told: lines.filter(({ id }) => id === unlucky.id) };
}

const parseLine = (line: string) => z.looseObject({ id: z.string().optional() }).parse(JSON.parse(line));

test('everything comes back from the archive, sidecars included, and the mirror pauses the target meanwhile', async () => {
  const patients = await listed(source, 'patients');
  expect(await listed(target, 'instances')).toEqual(instances.map(({ id }): string => id).toSorted());
  await source.stop();
  for (const patient of patients) {
    await fetch(new URL(`/patients/${patient}/protected`, target.url), { method: 'PUT', body: '0' });
    await fetch(new URL(`/patients/${patient}`, target.url), { method: 'DELETE' });
  }
  expect(await listed(target, 'instances')).toEqual([]);
  const result = await restoreToStandby();
  expect(result).toMatchObject({ exitCode: 0 });
  expect(JSON.parse(result.stdout)).toEqual({
    type: 'summary',
    mirror: 'main',
    target: 'standby',
    job: expect.any(String),
    instances: 30,
    studies: expect.any(Number),
    rejected: 0,
    failed: 0,
    exitCode: 0,
  });
  expect(result.stderr).toContain('main target standby is paused by its mirror meanwhile');
  expect(await listed(target, 'instances')).toEqual(instances.map(({ id }): string => id).toSorted());
  expect(await isProtected(patients[0])).toBe('1');
  expect(stack.deadLetters()).toEqual([]);
  const pause = await fetch(new URL(`/${stack.bucketNames[0]}/main/state/pause.json`, stack.s3Endpoint));
  expect(await pause.json()).toMatchObject({ pauses: { 'main target standby': { code: 'paused', passed: true } } });
});

test('what could not be restored is told, with the exit code of what may be tried again', async () => {
  fault = 'drop';
  const { exitCode, told } = await restoreUnlucky();
  expect(told).toMatchObject([{ type: 'problem', level: 'instance', outcome: 'failed', code: 'unreachable' }]);
  expect(exitCode).toBe(5);
});

test('what the target refuses for good is told too, with another exit code', async () => {
  fault = 400;
  const { exitCode, told } = await restoreUnlucky();
  expect(told).toMatchObject([{ outcome: 'rejected', code: 'refused' }]);
  expect(exitCode).toBe(3);
});

test('when it goes well again, dead letters of former restores are none of its problems', async () => {
  fault = undefined;
  const depths = Object.values(stack.queueDepths()).map(({ waiting, inFlight }) => waiting + inFlight);
  expect(Math.max(...depths)).toBeGreaterThanOrEqual(2);
  expect(await restoreUnlucky()).toEqual({ exitCode: 0, told: [] });
  expect(await listed(target, 'instances')).toContain(unlucky.id);
});
