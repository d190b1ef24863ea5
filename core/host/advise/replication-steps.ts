/** The commands that copy everything to a new server, as steps of an advice. */

/** Where to copy from: the address of the old server, and its storage folder if that is known. */
export interface ReplicationSource {
  readonly url: string | undefined;
  readonly storageFolder: string | undefined;
}

const newServer = 'http://new-server:8042';

/** Steps of a replication; commands are ready to be typed once the new server's address is filled in. */
export function replicationSteps(source: ReplicationSource, wantedName: string): readonly string[] {
  const from = source.url ?? 'http://old-server:8042';
  const folder = source.storageFolder;
  return [
    `set up ${wantedName} on a database and a storage of its own, and keep the old server as it is`,
    'copy everything while the old server is in use; repeat it as often as you like, only what is missing is copied:',
    `  npx orthanc-mirror run ${from} ${newServer} --archive /backup/archive --watch`,
    ...(folder === undefined
      ? []
      : [
          'or, if the old server no longer runs, from its files:',
          `  npx orthanc-mirror import ${folder} --to ${newServer} --archive /backup/archive`,
        ]),
    'stop what sends to the old server, let the copy finish, and compare:',
    `  npx orthanc-mirror check ${from} ${newServer} --archive /backup/archive`,
    'point modalities and users to the new server (docs/migration.md tells the whole way and the way back)',
  ];
}
