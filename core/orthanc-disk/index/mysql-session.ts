/** A session of the client program with a MySQL or MariaDB server: statements in, rows of text out. */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { MirrorError } from '../../errors.ts';
import { type StartedProgram, startProgram } from '../program-output.ts';
import { type MysqlConnection, mysqlCall, mysqlConnectionName } from './mysql-connection.ts';

/**
 * One statement after the other. Columns must be text without line ends (numbers, ids, hexadecimal): the program
 * escapes tabs and line feeds only.
 */
export class MysqlSession {
  readonly name: string;
  readonly #program: StartedProgram;
  readonly #lines: AsyncIterator<string>;
  /** A row that no table holds: it tells that a statement is done. */
  readonly #mark = randomBytes(12).toString('hex');

  /**
   * Connects. Throws the errors of {@link mysqlError}; `tls-untrusted` if TLS is asked for and the server has none:
   * MariaDB's programs would go on without, unless they are to verify it.
   */
  static async open(connection: MysqlConnection, signal?: AbortSignal): Promise<MysqlSession> {
    const session = new MysqlSession(connection, signal);
    try {
      const [cipher] = await Array.fromAsync(session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'"));
      if (connection.tls !== undefined && (cipher?.[1] ?? '') === '') {
        throw new MirrorError('tls-untrusted', `${session.name} does not encrypt, which option EnableSsl asks for`);
      }
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  private constructor(connection: MysqlConnection, signal: AbortSignal | undefined) {
    this.name = mysqlConnectionName(connection);
    // Rows are printed when they come, and the end of a statement at once.
    const options = ['--batch', '--skip-column-names', '--quick', '--unbuffered'];
    this.#program = startProgram(mysqlCall('client', connection, options, signal));
    this.#lines = createInterface({ input: this.#program.child.stdout })[Symbol.asyncIterator]();
    // The program that ended tells why, see #nextLine.
    this.#program.child.stdin.on('error', () => undefined);
  }

  /** Does a statement without rows. Throws the errors of {@link mysqlError}. */
  async execute(statement: string): Promise<void> {
    for await (const _ of this.rows(statement));
  }

  /** The rows of a statement. A caller that leaves early ends the session. */
  async *rows(statement: string): AsyncGenerator<readonly string[]> {
    this.#program.child.stdin.write(`${statement};\nSELECT '${this.#mark}';\n`);
    let isComplete = false;
    try {
      while (true) {
        const line = await this.#nextLine();
        if (line === this.#mark) break;
        yield line.split('\t');
      }
      isComplete = true;
    } finally {
      if (!isComplete) await this.close();
    }
  }

  async #nextLine(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done !== true) return value;
    await this.#program.ended;
    throw new MirrorError('unreachable', `${this.name} ended the connection`);
  }

  /** Ends the session; an open transaction is rolled back, locks are released. */
  async close(): Promise<void> {
    this.#program.child.kill();
    await this.#program.ended.catch(() => undefined);
  }
}
