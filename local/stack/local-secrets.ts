/** As much of AWS Secrets Manager as the functions use: `GetSecretValue`. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import type { IsAllowed } from '../s3/access.ts';

const requestSchema = z.object({ SecretId: z.string() });

export class LocalSecrets {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #secrets: Map<string, string>;

  private constructor(server: Server, secrets: Map<string, string>, port: number) {
    this.#server = server;
    this.#secrets = secrets;
    this.endpoint = `http://127.0.0.1:${port}`;
  }

  /** Starts it on a free port. @param secrets texts by name */
  static async start(secrets: Readonly<Record<string, string>>, isAllowed: IsAllowed): Promise<LocalSecrets> {
    const known = new Map(Object.entries(secrets));
    const server = createServer((request, response) => {
      void answer(request, known, isAllowed).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = z.object({ port: z.number() }).parse(server.address());
    return new LocalSecrets(server, known, port);
  }

  /** Gives a secret another text, as a rotation does. */
  rotate(name: string, secret: string): void {
    this.#secrets.set(name, secret);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function answer(
  request: IncomingMessage,
  secrets: ReadonlyMap<string, string>,
  isAllowed: IsAllowed,
): Promise<HttpAnswer> {
  const body = await text(request);
  if (request.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue') {
    return { status: 400, body: { __type: 'InvalidRequestException', message: 'only GetSecretValue is known here' } };
  }
  const { SecretId: name } = requestSchema.parse(JSON.parse(body));
  const resource = arnOf(name);
  const accessKeyId = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];
  if (!isAllowed({ accessKeyId, action: 'secretsmanager:GetSecretValue', resource })) {
    return { status: 400, body: { __type: 'AccessDeniedException', message: 'GetSecretValue is not allowed' } };
  }
  const secret = secrets.get(name);
  return secret === undefined
    ? { status: 400, body: { __type: 'ResourceNotFoundException', message: `there is no secret ${name}` } }
    : {
        status: 200,
        body: {
          ARN: resource,
          Name: name,
          SecretString: secret,
        },
      };
}

/** As in AWS, it ends with six characters that the name does not tell. */
function arnOf(name: string): string {
  return name.startsWith('arn:') ? name : `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}-local0`;
}
