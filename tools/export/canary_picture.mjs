/** Picture 1 of a manifest's canary, RGB. */
export function canaryPicture(size) {
  const data = new Uint8Array(size * size * 3);
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) data[at++] = ((x * x * (c + 1) + y * y * (3 - c) + x * y * 2) >> 3) & 255;
    }
  }
  return { data, width: size, height: size, channels: 3 };
}
