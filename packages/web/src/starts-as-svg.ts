/** SVG, or another XML file. */
export function startsAsSvg(bytes: Uint8Array): boolean {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  return /^\s*(\ufeff|\xef\xbb\xbf)?<(\?xml|!--|!DOCTYPE svg|svg)/i.test(start);
}
