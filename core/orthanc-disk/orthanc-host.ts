/** Where an Orthanc host keeps what: derived from its configuration. */
import { readdirSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import * as z from 'zod';
import { MirrorError } from '../errors.ts';
import { type OrthancConfiguration, readConfiguration } from './configuration/read-configuration.ts';
import type { MysqlConnection } from './index/mysql-connection.ts';
import { type PostgresqlConnection, parsePostgresqlAddress } from './index/postgresql-connection.ts';
import type { StorageFolders } from './storage/storage-folders.ts';

/** Where the index is. */
export type IndexLocation =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgresql'; readonly connection: PostgresqlConnection }
  | { readonly kind: 'mysql'; readonly connection: MysqlConnection }
  | { readonly kind: 'odbc' };

/** Where the files of the storage area are. */
export type StorageLocation =
  | { readonly kind: 'folder'; readonly folders: StorageFolders }
  /** In a database, by a plugin of the same name as those of the index. */
  | { readonly kind: 'database'; readonly backend: 'postgresql' | 'mysql' | 'odbc' }
  /** In a bucket, by a plugin; `section` is its section of the configuration. */
  | { readonly kind: 'object-storage'; readonly section: string };

export interface OrthancHost {
  /** Option `Name`; may be empty. */
  readonly name: string;
  readonly configuration: OrthancConfiguration;
  readonly index: IndexLocation;
  readonly storage: StorageLocation;
  readonly httpPort: number;
  readonly storesDicom: boolean;
  /** Files that the configuration names: scripts, certificates, keys. Absolute paths; may be missing. */
  readonly namedFiles: readonly string[];
  /** Databases in which the DelayedDeletion plugin keeps the uuids of files that it will delete. */
  readonly deletionDatabases: readonly string[];
}

const databaseSection = z
  .object({
    EnableIndex: z.boolean().default(false),
    EnableStorage: z.boolean().default(false),
    ConnectionUri: z.string().optional(),
    Host: z.string().default('localhost'),
    Port: z.number().int().positive().optional(),
    Database: z.string().default(''),
    Username: z.string().default(''),
    Password: z.string().default(''),
    EnableSsl: z.boolean().default(false),
    SslVerifyServerCertificates: z.boolean().default(true),
    SslCACertificates: z.string().optional(),
    UnixSocket: z.string().optional(),
    Schema: z.string().optional(),
  })
  .prefault({});

/** Configuration.json of the plugin; folders of disks and of files that it took over. */
const advancedStorageSection = z
  .object({
    Enable: z.boolean().default(false),
    MultipleStorages: z.object({ Storages: z.record(z.string(), z.string()).default({}) }).prefault({}),
    Indexer: z.object({ Folders: z.array(z.string()).default([]) }).prefault({}),
  })
  .prefault({});

const usedOptions = z.object({
  Name: z.string().default(''),
  // The defaults of Orthanc: OrthancInitialization.cpp, CreateFilesystemStorage and CreateSQLiteWrapper.
  StorageDirectory: z.string().default('OrthancStorage'),
  IndexDirectory: z.string().optional(),
  HttpPort: z.number().int().default(8042),
  StoreDicom: z.boolean().default(true),
  HttpsCACertificates: z.string().optional(),
  PostgreSQL: databaseSection,
  MySQL: databaseSection,
  Odbc: databaseSection,
  AdvancedStorage: advancedStorageSection,
  DelayedDeletion: z.object({ Enable: z.boolean().default(false), Path: z.string().optional() }).prefault({}),
});
type UsedOptions = z.infer<typeof usedOptions>;

/** Sections of the plugins that keep the storage area in a bucket. */
const objectStorageSections = ['AwsS3Storage', 'AzureBlobStorage', 'GoogleCloudStorage'];

/** Options that name one file or several; all of Orthanc's core, and the Python plugin's script. */
const fileOptions = [
  'LuaScripts',
  'SslCertificate',
  'SslTrustedClientCertificates',
  'HttpsCACertificates',
  'DicomTlsCertificate',
  'DicomTlsPrivateKey',
  'DicomTlsTrustedCertificates',
  'PythonScript',
];

/**
 * Reads the configuration of the Orthanc of this host and finds out where it keeps everything.
 * Throws `configuration` if it cannot be read, or if an option has a type that Orthanc refuses too.
 */
export async function readOrthancHost(
  path: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<OrthancHost> {
  return describeHost(await readConfiguration(path, environment));
}

/** Finds out where an Orthanc keeps everything. Throws `configuration` for options of a wrong type. */
function describeHost(configuration: OrthancConfiguration): OrthancHost {
  const parsed = usedOptions.safeParse(configuration.options);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MirrorError('configuration', `option ${issue?.path.join('.')} of Orthanc: ${issue?.message}`);
  }
  const options = parsed.data;
  const absolute = (relative: string) => (isAbsolute(relative) ? relative : join(configuration.baseFolder, relative));
  const storageFolder = absolute(options.StorageDirectory);
  return {
    name: options.Name,
    configuration,
    index: indexLocation(options, absolute(options.IndexDirectory ?? options.StorageDirectory)),
    storage: storageLocation(configuration, options, storageFolders(options, storageFolder, absolute)),
    httpPort: options.HttpPort,
    storesDicom: options.StoreDicom,
    namedFiles: namedFiles(configuration).map(absolute),
    deletionDatabases: deletionDatabases(options, storageFolder, absolute),
  };
}

function indexLocation(options: UsedOptions, indexFolder: string): IndexLocation {
  const { PostgreSQL: postgresql, MySQL: mysql } = options;
  if (postgresql.EnableIndex) return { kind: 'postgresql', connection: postgresqlConnection(postgresql) };
  if (mysql.EnableIndex) return { kind: 'mysql', connection: mysqlConnection(mysql, options.HttpsCACertificates) };
  return options.Odbc.EnableIndex ? { kind: 'odbc' } : { kind: 'sqlite', path: join(indexFolder, 'index') };
}

function postgresqlConnection(section: UsedOptions['PostgreSQL']): PostgresqlConnection {
  const { ConnectionUri: uri, Schema: schema, EnableSsl: requiresTls } = section;
  if (uri !== undefined) return parsePostgresqlAddress(uri, schema);
  const keywords = {
    host: section.Host,
    port: String(section.Port ?? 5432),
    user: section.Username,
    password: section.Password,
    dbname: section.Database,
    // "require" of libpq, which the plugin asks for: encrypted, whoever answers.
    sslmode: requiresTls ? 'require' : 'prefer',
  };
  return { keywords: Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== '')), schema };
}

/** @param httpsAuthorities what the plugin trusts unless its own section says otherwise */
function mysqlConnection(section: UsedOptions['MySQL'], httpsAuthorities: string | undefined): MysqlConnection {
  const authorities = section.SslCACertificates ?? httpsAuthorities;
  return {
    host: section.Host,
    port: section.Port ?? 3306,
    user: section.Username,
    password: section.Password,
    database: section.Database,
    socketPath: section.UnixSocket,
    tls: section.EnableSsl
      ? {
          verifiesServer: section.SslVerifyServerCertificates,
          authorities: authorities === '' ? undefined : authorities,
        }
      : undefined,
  };
}

function storageFolders(
  { AdvancedStorage: section }: UsedOptions,
  main: string,
  absolute: (relative: string) => string,
): StorageFolders {
  if (!section.Enable) return { main, byId: new Map(), others: [] };
  const storages = Object.entries(section.MultipleStorages.Storages);
  return {
    main,
    byId: new Map(storages.map(([id, folder]) => [id, absolute(folder)])),
    others: section.Indexer.Folders.map(absolute),
  };
}

function storageLocation(
  configuration: OrthancConfiguration,
  options: UsedOptions,
  folders: StorageFolders,
): StorageLocation {
  if (options.PostgreSQL.EnableStorage) return { kind: 'database', backend: 'postgresql' };
  if (options.MySQL.EnableStorage) return { kind: 'database', backend: 'mysql' };
  if (options.Odbc.EnableStorage) return { kind: 'database', backend: 'odbc' };
  const section = objectStorageSections.find((name) => Object.hasOwn(configuration.options, name));
  return section === undefined ? { kind: 'folder', folders } : { kind: 'object-storage', section };
}

function namedFiles({ options }: OrthancConfiguration): readonly string[] {
  const names = z.union([z.string().transform((name) => [name]), z.array(z.string())]).catch([]);
  return fileOptions.flatMap((option) => names.parse(options[option] ?? [])).filter((name) => name !== '');
}

function deletionDatabases(
  { DelayedDeletion: section }: UsedOptions,
  storageFolder: string,
  absolute: (relative: string) => string,
): readonly string[] {
  if (section.Path !== undefined) return [absolute(section.Path)];
  // The plugin's default name holds an identifier of the server: pending-deletions.<identifier>.db.
  try {
    return readdirSync(storageFolder)
      .filter((name) => /^pending-deletions\..*\.db$/.test(basename(name)))
      .map((name) => join(storageFolder, name));
  } catch {
    return [];
  }
}
