/** Which request is handled by what. */
import { getLocation, getVersioning, putVersioning } from './bucket-settings.ts';
import type { Answer, BucketCall, ObjectCall } from './call.ts';
import { restoreObject } from './cold-classes.ts';
import { Failure } from './failure.ts';
import { listObjects, listVersions } from './listings.ts';
import { abortUpload, completeUpload, createUpload, listParts, listUploads, uploadPart } from './multipart.ts';
import {
  getLegalHold,
  getLockConfiguration,
  getRetention,
  putLegalHold,
  putLockConfiguration,
  putRetention,
} from './object-lock.ts';
import { getObject } from './object-reads.ts';
import { copyObject, deleteObject, deleteObjects, putObject } from './object-writes.ts';

type Handler<Call> = (call: Call) => Answer | Promise<Answer>;

/** By method and the parameter of the query that tells the operation; the empty one if there is none. */
const objectRoutes: Readonly<Record<string, Handler<ObjectCall>>> = {
  'GET ': getObject,
  'HEAD ': getObject,
  'PUT ': (call) => (call.request.headers['x-amz-copy-source'] === undefined ? putObject(call) : copyObject(call)),
  'DELETE ': deleteObject,
  'GET retention': getRetention,
  'PUT retention': putRetention,
  'GET legal-hold': getLegalHold,
  'PUT legal-hold': putLegalHold,
  'POST restore': restoreObject,
  'POST uploads': createUpload,
  'GET uploadId': listParts,
  'PUT uploadId': uploadPart,
  'POST uploadId': completeUpload,
  'DELETE uploadId': abortUpload,
};

const bucketRoutes: Readonly<Record<string, Handler<BucketCall>>> = {
  'HEAD ': () => ({ status: 200 }),
  'GET ': listObjects,
  'GET versions': listVersions,
  'GET uploads': listUploads,
  'GET location': getLocation,
  'GET versioning': getVersioning,
  'PUT versioning': putVersioning,
  'GET object-lock': getLockConfiguration,
  'PUT object-lock': putLockConfiguration,
  'POST delete': deleteObjects,
};

/** Parameters that tell an operation, known or not; an unknown one must not be taken for a plain read or write. */
const operations = new Set([
  'retention',
  'legal-hold',
  'uploads',
  'uploadId',
  'versions',
  'location',
  'versioning',
  'object-lock',
  'delete',
  'acl',
  'tagging',
  'policy',
  'lifecycle',
  'encryption',
  'notification',
  'cors',
  'restore',
  'select',
  'torrent',
  'attributes',
  'publicAccessBlock',
  'ownershipControls',
  'replication',
  'logging',
  'website',
  'requestPayment',
]);

export function answerForObject(call: ObjectCall): Answer | Promise<Answer> {
  return handlerFor(objectRoutes, call)(call);
}

export function answerForBucket(call: BucketCall): Answer | Promise<Answer> {
  return handlerFor(bucketRoutes, call)(call);
}

function handlerFor<Call extends BucketCall>(
  routes: Readonly<Record<string, Handler<Call>>>,
  call: Call,
): Handler<Call> {
  const operation = [...call.query.keys()].find((name) => operations.has(name)) ?? '';
  const handler = routes[`${call.request.method} ${operation}`];
  if (handler === undefined) {
    throw new Failure(501, 'NotImplemented', `this server has no ${call.request.method} ${operation}`.trim());
  }
  return handler;
}
