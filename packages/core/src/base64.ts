/** Embeddings as text: little-endian fp32 in base64, on any machine. */

export function encodeFloats(floats: Float32Array): string {
  const view = new DataView(new ArrayBuffer(floats.length * 4));
  for (let index = 0; index < floats.length; index++) view.setFloat32(index * 4, floats[index]!, true);
  let binary = '';
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Null when the text is not base64 of whole fp32 values. */
export function decodeFloats(base64: string): Float32Array | null {
  let binary: string;
  try {
    binary = atob(base64);
  } catch {
    return null;
  }
  if (binary.length % 4 !== 0) return null;
  const view = new DataView(Uint8Array.from(binary, (character) => character.charCodeAt(0)).buffer);
  return Float32Array.from({ length: binary.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}
