/**
 * The calls of the file system by which a folder archive writes, on plain descriptors. An archive makes some ten of them
 * for each instance, and a `FileHandle` costs a third more processor time than the calls themselves.
 */
import * as fs from 'node:fs';

/** Those of the file system itself. */
export const systemCalls = { createFile, openFolder, writeAll, sync, close, makeFolder, link, rename, unlink, look };

/** What does them: the file system, or who notes them as they pass. */
export type FolderCalls = typeof systemCalls;

/** Makes a new file; throws EEXIST if there is something. @returns its descriptor, which is to be closed */
function createFile(path: string, mode: number): Promise<number> {
  return answered((done) => fs.open(path, 'wx', mode, done));
}

/** @returns the descriptor of a folder, by which it is synced; to be closed */
function openFolder(path: string): Promise<number> {
  // What is no folder is refused.
  return answered((done) => fs.open(`${path}/.`, 'r', done));
}

/** Appends all of the bytes. */
async function writeAll(descriptor: number, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    const rest = bytes.byteLength - written;
    written += await answered<number>((done) => fs.write(descriptor, bytes, written, rest, null, done));
  }
}

/** Returns once what the file or folder holds now survives a power cut. */
function sync(descriptor: number): Promise<void> {
  return finished((done) => fs.fsync(descriptor, done));
}

function close(descriptor: number): Promise<void> {
  return finished((done) => fs.close(descriptor, done));
}

/** Throws EEXIST if there is something. */
function makeFolder(path: string): Promise<void> {
  return finished((done) => fs.mkdir(path, done));
}

/** Throws EEXIST if there is something. */
function link(from: string, to: string): Promise<void> {
  return finished((done) => fs.link(from, to, done));
}

function rename(from: string, to: string): Promise<void> {
  return finished((done) => fs.rename(from, to, done));
}

function unlink(path: string): Promise<void> {
  return finished((done) => fs.unlink(path, done));
}

/** What lies at a path, be it a link. */
function look(path: string): Promise<fs.Stats> {
  return answered((done) => fs.lstat(path, done));
}

function answered<T>(call: (done: (error: Error | null, answer: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function finished(call: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call((error) => (error ? reject(error) : resolve()));
  });
}
