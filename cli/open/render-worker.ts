/** Renders frames in a thread of its own: a large or hostile image does not keep the archive from answering. */
import { parentPort } from 'node:worker_threads';
import { UndecodableFrame } from '../../core/open/rendering/decode-frame.ts';
import { type FrameToRender, renderFrame } from '../../core/open/rendering/render-frame.ts';

parentPort?.on('message', (frame: FrameToRender) => {
  renderFrame(frame).then(
    (picture) => parentPort?.postMessage({ picture }),
    (error: unknown) =>
      parentPort?.postMessage({
        problem: error instanceof UndecodableFrame ? error.message : 'the image cannot be shown',
      }),
  );
});
