/** What is typed wrongly is refused before anything is done, by the name of what is wrong. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { runInProcess } from '../support/in-process-command.ts';

/** Nobody listens there. */
const server = 'http://127.0.0.1:1';
let folder = '';
const before = process.cwd();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-usage-'));
  await writeFile(join(folder, 'not-a-certificate'), 'none');
  await writeFile(join(folder, 'password'), 'long enough');
  await writeFile(join(folder, 'bad.jsonc'), '{"mirrors": {}}');
  await writeFile(
    join(folder, 'good.jsonc'),
    JSON.stringify({ mirrors: { main: { source: { url: server }, archive: { folder: 'archive' } } } }),
  );
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(before);
  await rm(folder, { recursive: true, force: true });
});
afterEach(() => vi.unstubAllEnvs());

/** What is typed, and what the message must say. Exit code 2. */
const wrong: readonly (readonly [typed: string, says: RegExp])[] = [
  // Places that look like something else.
  ['restore --archive a --to localhost:8042', /http:\/\/localhost:8042.*\.\/localhost:8042/],
  ['restore --archive a --to 10.0.0.1:8042/orthanc', /http:\/\/10\.0\.0\.1:8042\/orthanc/],
  ['restore --archive a --to [::1]:8042', /http:\/\/\[::1\]:8042/],
  ['restore --archive a --to s3://bucket/x', /--to/],
  ['restore --archive a --to http://x/?a=b', /--to .*query/],
  [`run ${server} --archive s3:bucket`, /s3:\/\/bucket.*\.\/s3:bucket/],
  [`run ${server} --archive s3:/bucket/x`, /s3:\/\/bucket\/x/],
  [`run ${server} --archive azure:container:/x`, /azure:container.*--endpoint/],
  [`run ${server} --archive rclone:remote:path`, /rclone:remote.*s3:\/\/bucket/],
  [`run ${server} --archive localhost:9000`, /http:\/\/localhost:9000/],
  [`run ${server} --archive https://host/bucket`, /--endpoint/],
  [`run ${server} --archive ~/archive`, /\$HOME\/archive/],
  [`run ${server} --archive s3://UPPER`, /bucket of the archive/],
  [`run ${server} --archive=`, /archive is empty/],
  ['backup list --archive s3:bucket --passphrase-file password', /s3:\/\/bucket/],
  ['import . --archive gs:bucket', /gs:bucket/],
  [`import ${server} --archive a`, /PATH.*`run`/],
  ['import nowhere --archive a', /nothing to import/],
  // Servers.
  [`run localhost:8042 ${server}`, /localhost:8042 is not a URL/],
  [`run ${server} localhost:8042`, /localhost:8042 is not a URL/],
  [`run ${server} ftp://host`, /TARGET begins with http/],
  [`run ${server}#x ${server}/y`, /SOURCE has no query and no fragment/],
  [`run ${server} ${server}/`, /same server/],
  [`run ${server}`, /TARGET.*--archive/],
  [`check ${server}`, /TARGET.*--archive/],
  [`check ${server} http://x --level study --all`, /--all.*--level/],
  ['run', /source/],
  ['verify --target localhost:8042', /--target begins with http/],
  ['verify --target ftp://user:secret@host', /--target begins with http/],
  ['import . --to localhost:8042', /--to begins with http/],
  ['advise localhost:8042', /URL begins with http/],
  [`advise ${server} --to 9.9.9`, /--to 9\.9\.9.*newest version/],
  [`advise ${server} --to newest`, /--to must be a version/],
  [`advise ${server} --index x`, /--index/],
  ['advise', /--index, --config/],
  [`advise ${server} --to-backend oracle`, /--to-backend/],
  // Credentials and certificates.
  [`run ${server} http://x --source-password-file password`, /--source-user/],
  [`run ${server} http://x --target-user a --target-token-file b`, /--target-user.*--target-token-file/],
  [`run ${server} http://x --source-cert password`, /--source-cert.*--source-key/],
  [`run ${server} http://x --source-user a --source-password-file nowhere`, /nowhere.*secret/],
  [`run ${server} http://x --source-ca nowhere`, /nowhere.*certificate/],
  [`run ${server} http://x --source-ca not-a-certificate`, /not-a-certificate.*no certificate/],
  // Values.
  [`run ${server} http://x --max-deletion-percent foo`, /--max-deletion-percent/],
  [`run ${server} http://x --max-deletions 1.5`, /--max-deletions/],
  [`run ${server} http://x --deletion-grace-hours foo`, /--deletion-grace-hours/],
  [`run ${server} http://x --concurrency 0`, /--concurrency/],
  [`run ${server} http://x --conflicts maybe`, /--conflicts/],
  [`run ${server} http://x --deletions yes`, /--deletions/],
  [`run ${server} http://x --once --watch`, /--once.*--watch/],
  [`run ${server} http://x --dry-run --watch`, /--watch.*--dry-run/],
  [`run ${server} http://x --frobnicate`, /--frobnicate/],
  [`run ${server} --archive a --endpoint http://x`, /--endpoint.*folder/],
  [`run ${server} --endpoint http://x`, /--endpoint needs --archive/],
  [`run ${server} --archive s3://bucket --endpoint user:secret@host`, /--endpoint must be a URL/],
  ['import s3://bucket/x --archive a --source-endpoint host', /--source-endpoint must be a URL/],
  ['import . --archive a --default-encoding klingon', /--default-encoding/],
  ['import .', /--to.*--archive/],
  ['verify', /--archive.*--target/],
  ['verify --archive a --subset 31/30', /--subset.*31/],
  ['verify --archive a --subset 0%', /--subset/],
  ['verify --archive a --concurrency many', /--concurrency/],
  ['restore --to x', /--archive/],
  ['restore --archive a', /--to/],
  ['restore --archive a --to x --at yesterday', /--at/],
  ['restore --archive a --to x --at 2026-02-31', /--at/],
  ['restore --archive a --to x --since 2026', /--since/],
  ['restore --archive a --to x --until x', /--until/],
  ['restore --archive a --to x --missing-since x', /--missing-since/],
  ['restore --archive nowhere --to x', /nowhere holds no archive/],
  ['find --archive a --since soon', /--since/],
  ['ls --archive nowhere', /nowhere holds no archive/],
  ['ls --archive a --at x', /--at/],
  ['diff yesterday 2026-11-21 --archive a', /before.*yesterday|yesterday.*before/],
  ['export --archive a --to x', /--study.*--patient/],
  ['export --archive a --study 1', /--to/],
  ['open --archive a --listen nowhere', /--listen/],
  [`serve ${server} --archive a`, /--secret-file/],
  [`serve ${server} --archive a --secret-file nowhere`, /--secret-file/],
  ['failures --queues foo', /--queues/],
  ['redrive --queues foo', /--queues/],
  ['redrive --queues http://x/ --rate fast', /--rate/],
  ['pause', /--config.*--archive/],
  ['pause --archive nowhere', /nowhere holds no archive/],
  ['pause other --config good.jsonc', /no mirror other/],
  ['status --archive nowhere', /nowhere holds no archive/],
  ['status --config nowhere', /nowhere/],
  ['estimate', /--instances/],
  ['estimate --instances foo', /--instances/],
  ['estimate --instances 1 --storage-class gold', /--storage-class/],
  ['config check bad.jsonc', /mirrors/],
  ['config check nowhere', /nowhere/],
  ['audit', /--config.*--index.*--storage/],
  ['audit --index x --storage nowhere', /nowhere does not exist/],
  ['audit --config x --older-than soon', /--older-than/],
  ['backup --archive a', /--config/],
  ['backup --config x --archive a', /--passphrase-file/],
  ['backup --config x --archive a --hot --stop true', /--hot.*--stop|--stop.*--hot/],
  ['backup prune --archive a', /--keep-daily/],
  ['frobnicate', /frobnicate/],
];

describe('what is wrong is refused with exit code 2 and a message that says what, and nothing is made', () => {
  test.each(wrong)('%s', async (typed, says) => {
    const { exitCode, stdout, stderr } = await runInProcess(...typed.split(' '));
    expect(`${stderr}${stdout}`).toMatch(says);
    expect(stderr).not.toContain('secret@');
    expect(exitCode).toBe(2);
    expect((await readdir(folder)).toSorted()).toEqual(['bad.jsonc', 'good.jsonc', 'not-a-certificate', 'password']);
  });
});

test('a flag wins over a variable that says the opposite', async () => {
  vi.stubEnv('ORTHANC_MIRROR_WATCH', '1');
  const { exitCode, stderr } = await runInProcess('run', server, '--once', '--archive', join(folder, 'a'));
  expect({ exitCode, stderr: stderr.includes('ECONNREFUSED') }).toEqual({ exitCode: 7, stderr: true });
});

test('the variable of our configuration file is not taken for the configuration of an Orthanc', async () => {
  vi.stubEnv('ORTHANC_MIRROR_CONFIG', join(folder, 'good.jsonc'));
  const { exitCode, stderr } = await runInProcess('advise', server);
  expect({ exitCode, stderr: stderr.includes('ECONNREFUSED') }).toEqual({ exitCode: 7, stderr: true });
});
