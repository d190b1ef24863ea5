/** What the service can do, for programs (PS3.18, 8.9 and annex H: WADL). */
import type { WebResponse } from '../web/message.ts';

const instance = ['metadata', 'rendered', 'thumbnail', 'frames/{frames}', 'frames/{frame}/rendered', 'bulk/{path}'];

/** The resources, indented as they are nested. */
const wadl = `<?xml version="1.0" encoding="UTF-8"?>
<application xmlns="http://wadl.dev.java.net/2009/02">
  <resources>
${[
  ['studies', 'SearchForStudies', 'application/dicom+json'],
  ['series', 'SearchForSeries', 'application/dicom+json'],
  ['instances', 'SearchForInstances', 'application/dicom+json'],
  ['studies/{study}', 'RetrieveStudy', 'multipart/related; type="application/dicom"'],
  ['studies/{study}/series', 'SearchForSeries', 'application/dicom+json'],
  ['studies/{study}/instances', 'SearchForInstances', 'application/dicom+json'],
  ['studies/{study}/series/{series}', 'RetrieveSeries', 'multipart/related; type="application/dicom"'],
  ['studies/{study}/series/{series}/instances', 'SearchForInstances', 'application/dicom+json'],
  ['studies/{study}/series/{series}/instances/{instance}', 'RetrieveInstance', 'application/dicom'],
  ...instance.map((path) => [
    `studies/{study}/series/{series}/instances/{instance}/${path}`,
    `Retrieve${path.startsWith('metadata') ? 'Metadata' : path.startsWith('bulk') ? 'BulkData' : 'Frames'}`,
    path === 'metadata'
      ? 'application/dicom+json'
      : path.includes('rendered')
        ? 'image/jpeg'
        : 'application/octet-stream',
  ]),
]
  .map(
    ([path, id, type = '']) =>
      `    <resource path="${path}"><method name="GET" id="${id}"><response status="200"><representation mediaType="${type.replaceAll('"', '&quot;')}"/></response></method></resource>`,
  )
  .join('\n')}
  </resources>
</application>
`;

export function capabilities(): WebResponse {
  const body = Buffer.from(wadl);
  const headers = { 'content-type': 'application/vnd.sun.wadl+xml', 'content-length': String(body.length) };
  return { status: 200, headers, body };
}
