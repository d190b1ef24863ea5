/** Our S3 server as a process of its own, for the tests that kill it: `node object-storage-server.ts FOLDER`. */
import { startS3 } from '../../local/s3/start-s3.ts';

const [folder = ''] = process.argv.slice(2);
const server = await startS3({ folder });
process.stdout.write(`${server.endpoint}\n`);
