/** An absolute URL from one that is relative to the page, not to this module or to a worker. */
export function pageUrl(url: string | URL): string {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location.href).href;
}
