/** Small files that claim, or unfold to, something huge; made of good ones, as an attacker would. */
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';

const picture = () => sharp({ create: { width: 32, height: 16, channels: 3, background: { r: 200, g: 30, b: 60 } } });

function at(bytes: Uint8Array, ...marker: number[]): number {
  return Buffer.from(bytes).indexOf(Buffer.from(marker));
}

function patched(bytes: Uint8Array, change: (view: DataView, copy: Uint8Array) => void): Uint8Array {
  const copy = Uint8Array.from(bytes);
  change(new DataView(copy.buffer), copy);
  return copy;
}

const JPEG_SOF = [0xff, 0xc0];

async function jpeg(): Promise<Uint8Array> {
  const file = await picture().jpeg().toBuffer();
  return patched(file, (view, copy) => {
    const sof = at(copy, ...JPEG_SOF);
    view.setUint16(sof + 5, 65_500);
    view.setUint16(sof + 7, 65_500);
  });
}

/** The size comes after more metadata than is looked at. */
async function jpegSizeFarBehind(): Promise<Uint8Array> {
  const file = await jpeg();
  const segment = Buffer.alloc(2 + 65_535);
  segment.set([0xff, 0xe5, 0xff, 0xff]);
  return Buffer.concat([file.subarray(0, 2), ...Array(6).fill(segment), file.subarray(2)]);
}

async function png(): Promise<Uint8Array> {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([head, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(60_000, 0);
  header.writeUInt32BE(60_000, 4);
  header.set([1, 0], 8); // one bit a pixel, grey: 450 MB of zeros are 440 KB
  const rows = deflateSync(Buffer.alloc(20_000_000));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]);
}

async function gif(): Promise<Uint8Array> {
  const file = await picture().gif().toBuffer();
  return patched(file, (view, copy) => {
    view.setUint16(6, 65_535, true);
    view.setUint16(8, 65_535, true);
    const descriptor = copy.indexOf(0x2c, 13);
    view.setUint16(descriptor + 5, 65_535, true);
    view.setUint16(descriptor + 7, 65_535, true);
  });
}

async function webp(): Promise<Uint8Array> {
  const file = await picture().webp({ lossless: true }).toBuffer();
  return patched(file, (view, copy) => {
    const chunk = at(copy, ...Buffer.from('VP8L'));
    const side = 16_382; // one less than the most there is
    view.setUint32(chunk + 9, (view.getUint32(chunk + 9, true) & 0xf0000000) | (side << 14) | side, true);
  });
}

async function avif(): Promise<Uint8Array> {
  const file = await picture().avif({ effort: 0 }).toBuffer();
  return patched(file, (view, copy) => {
    for (const { index } of Buffer.from(copy).toString('latin1').matchAll(/ispe/g)) {
      view.setUint32(index + 8, 60_000);
      view.setUint32(index + 12, 60_000);
    }
  });
}

async function tiff(): Promise<Uint8Array> {
  const file = await picture().tiff({ compression: 'deflate' }).toBuffer();
  return patched(file, (view) => {
    const isLittle = view.getUint8(0) === 0x49;
    const folder = view.getUint32(4, isLittle);
    for (let i = 0; i < view.getUint16(folder, isLittle); i++) {
      const entry = folder + 2 + i * 12;
      const tag = view.getUint16(entry, isLittle);
      if (tag !== 0x100 && tag !== 0x101) continue; // width and height, as 32 bits
      view.setUint16(entry + 2, 4, isLittle);
      view.setUint32(entry + 8, 60_000, isLittle);
    }
  });
}

const svg = (attributes: string, content: string, before = '') =>
  new TextEncoder().encode(
    `<?xml version="1.0"?>${before}<svg xmlns="http://www.w3.org/2000/svg" ${attributes}>${content}</svg>`,
  );

/** Ten times ten times ... of a text. */
function entities(): Uint8Array {
  const levels = Array.from({ length: 10 }, (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`).join('');
  return svg('width="20" height="10"', '<text>&e10;</text>', `<!DOCTYPE svg [<!ENTITY e0 "lol">${levels}]>`);
}

/** Files that claim more pixels than anybody wants. */
export async function hugeByHeader(): Promise<[name: string, file: Uint8Array][]> {
  return [
    ['JPEG', await jpeg()],
    ['PNG', await png()],
    ['GIF', await gif()],
    ['WebP', await webp()],
    ['AVIF', await avif()],
    ['TIFF', await tiff()],
    ['SVG', svg('width="100000" height="100000"', '<rect width="9" height="9"/>')],
    ['JPEG whose size is far behind', await jpegSizeFarBehind()],
  ];
}

/** Files of which a little is wanted and a lot could be done. */
export async function hugeByContent(): Promise<[name: string, file: Uint8Array][]> {
  const frame = await picture().gif().toBuffer();
  const descriptor = frame.indexOf(0x2c, 13);
  const image = frame.subarray(descriptor, frame.length - 1);
  const frames = Buffer.concat([frame.subarray(0, descriptor), ...Array(20_000).fill(image), Buffer.from([0x3b])]);
  return [
    ['a GIF of 20,000 frames', frames],
    ['an SVG of entities in entities', entities()],
  ];
}

/** An SVG that asks for files of others in every way it can. */
export function curiousSvg(origin: string): Uint8Array {
  const content = `<image href="${origin}/image.png" width="9" height="9"/>
    <image href="file:///etc/hostname" width="9" height="9"/>
    <use href="${origin}/use.svg#a"/>
    <style>@import url("${origin}/import.css"); @font-face { font-family: a; src: url("${origin}/font.woff2"); } text { font-family: a; }</style>
    <text y="9">&amp;</text><rect width="9" height="9" fill="url(${origin}/fill.svg#a)" filter="url(${origin}/filter.svg#a)"/>
    <script href="${origin}/script.js"/><foreignObject width="9" height="9"><img xmlns="http://www.w3.org/1999/xhtml" src="${origin}/foreign.png"/></foreignObject>
    <rect x="10" width="10" height="10" fill="red"/>`;
  return svg('width="20" height="10"', content, `<!DOCTYPE svg SYSTEM "${origin}/svg.dtd">`);
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
