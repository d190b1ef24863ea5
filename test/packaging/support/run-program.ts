/** Runs a program to its end. */
import { execFile } from 'node:child_process';

export interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Never throws for what the program does; a signal is exit code -1. */
export function run(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, [...args], { env: environment, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error?.code;
      resolve({ exitCode: error === null ? 0 : typeof code === 'number' ? code : -1, stdout, stderr });
    });
  });
}
