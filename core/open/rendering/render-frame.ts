/** A frame as a picture that every browser shows. */

import { nodeCodecs } from '../node-codecs.ts';
import { decodeFrame } from './decode-frame.ts';
import { type Palette, pictureOf, shrunk } from './display.ts';
import { encodeJpeg, encodePng } from './encode-picture.ts';
import type { ImageDescription, Window } from './image-description.ts';

/** Everything that is needed to render a frame: plain values, so that another thread can do it. */
export interface FrameToRender {
  readonly description: ImageDescription;
  readonly bytes: Uint8Array;
  readonly palette: Palette | undefined;
  readonly window: Window | undefined;
  /** Largest size of the picture in pixels; it is never made larger than it is. */
  readonly viewport: { readonly columns: number; readonly rows: number } | undefined;
  readonly mediaType: 'image/jpeg' | 'image/png';
  /** Of a JPEG, from 1 to 100. */
  readonly quality: number;
}

/** Renders a frame. Throws `UndecodableFrame`. */
export async function renderFrame(frame: FrameToRender): Promise<Uint8Array> {
  const { description, bytes, palette, window, viewport, mediaType, quality } = frame;
  const decoded = await decodeFrame(description, bytes, nodeCodecs);
  const picture = pictureOf(description, decoded, window, palette);
  const shown = viewport === undefined ? picture : shrunk(picture, viewport.columns, viewport.rows);
  return mediaType === 'image/png' ? encodePng(shown) : encodeJpeg(shown, quality);
}
