/**
 * SVG files, drawn on the caller's side: no browser decodes them in a worker. Scripts do not run and nothing is fetched
 * for them, as in any <img>.
 */
import { MclipError } from '@mclip/core';
import { checkPixelCount } from '@mclip/core/adapter';

const TYPE = 'image/svg+xml';

/** Pixels of the picture's own size, which is the viewBox's when width and height are not given. */
export async function drawSvg(file: Blob, maxPixels: number): Promise<ImageBitmap> {
  const parsed = new DOMParser().parseFromString(await file.text(), TYPE);
  const root = parsed.documentElement as unknown as SVGSVGElement;
  if (root.localName !== 'svg' || parsed.querySelector('parsererror') !== null) {
    throw new MclipError('IMAGE_DECODE', `Damaged SVG: ${root.textContent?.trim().slice(0, 200) || root.localName}`);
  }
  const { width, height } = sizeOf(root);
  checkPixelCount(width, height, maxPixels);
  root.setAttribute('width', `${width}`);
  root.setAttribute('height', `${height}`);
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(parsed)], { type: TYPE }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d')!;
    context.drawImage(image, 0, 0, width, height);
    context.getImageData(0, 0, 1, 1); // throws here, not in the worker, when what was drawn may not be read
    return canvas.transferToImageBitmap();
  } catch (cause) {
    const why = (cause as Error).message;
    const hint = "a Content-Security-Policy needs img-src 'self' blob:, and HTML inside of the SVG is not allowed";
    throw new MclipError('IMAGE_DECODE', `The SVG cannot be drawn: ${why} (${hint}).`, { cause });
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Whole pixels; 300x150, as in a page, where the file says nothing. */
function sizeOf({ width, height, viewBox }: SVGSVGElement): { width: number; height: number } {
  const given = (length: SVGAnimatedLength) =>
    length.baseVal.unitType === SVGLength.SVG_LENGTHTYPE_PERCENTAGE ? 0 : length.baseVal.value;
  const box = viewBox.baseVal as SVGRect | null; // null without the attribute in Firefox
  const ratio = box && box.width > 0 && box.height > 0 ? box.width / box.height : null;
  let [w, h] = [given(width), given(height)];
  if (ratio !== null && w === 0 && h === 0) [w, h] = [box!.width, box!.height];
  w ||= ratio !== null && h > 0 ? h * ratio : 300;
  h ||= ratio !== null ? w / ratio : 150;
  return { width: Math.max(1, Math.round(w)), height: Math.max(1, Math.round(h)) };
}
