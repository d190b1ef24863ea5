/**
 * Transfer syntaxes that keep every pixel value, so that transcoding to them changes the bytes of a file but not its
 * image nor its SOPInstanceUID (DICOM PS3.5, section 10 and annex A). All others may lose something.
 */
const lossless = new Set([
  '1.2.840.10008.1.2', // implicit VR little endian
  '1.2.840.10008.1.2.1', // explicit VR little endian
  '1.2.840.10008.1.2.1.99', // deflated
  '1.2.840.10008.1.2.2', // explicit VR big endian
  '1.2.840.10008.1.2.4.57', // JPEG lossless, process 14
  '1.2.840.10008.1.2.4.70', // JPEG lossless, process 14, first order prediction
  '1.2.840.10008.1.2.4.80', // JPEG-LS lossless
  '1.2.840.10008.1.2.4.90', // JPEG 2000 lossless
  '1.2.840.10008.1.2.4.92', // JPEG 2000 part 2 lossless
  '1.2.840.10008.1.2.4.110', // JPEG XL lossless
  '1.2.840.10008.1.2.4.111', // JPEG XL recompression of JPEG
  '1.2.840.10008.1.2.4.201', // high-throughput JPEG 2000 lossless
  '1.2.840.10008.1.2.4.202', // high-throughput JPEG 2000 lossless, RPCL
  '1.2.840.10008.1.2.5', // RLE
]);

export function isLosslessTransferSyntax(uid: string): boolean {
  return lossless.has(uid);
}
