/** Chromium and the test page's servers, there from before a file's tests until after them. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { launchChromium, openPage } from './browser.js';
import { type Files, startServer, type TestServer } from './server.js';

/** WebGPU on the CPU. */
export const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

export interface SiteOptions {
  /** For Chromium. */
  args?: string[];
  /** Served by their paths. */
  files?: Files;
}

export class TestSite {
  /** As in the options; may be added to. */
  readonly files: Files;
  browser!: Browser;
  plain!: TestServer;
  /** Pages of this one are cross-origin isolated. */
  isolated!: TestServer;

  /** To be made where tests are declared. */
  constructor({ args = [], files = {} }: SiteOptions = {}) {
    this.files = files;
    beforeAll(async () => {
      [this.browser, this.plain, this.isolated] = await Promise.all([
        launchChromium(args),
        startServer({ files }),
        startServer({ files, isolated: true }),
      ]);
    });
    afterAll(() => Promise.all([this.browser?.close(), this.plain?.close(), this.isolated?.close()]));
  }

  /** A page with the library as `mclip`; `await using` closes it. */
  open({ isolated = false } = {}): Promise<Page> {
    return openPage(this.browser, (isolated ? this.isolated : this.plain).origin);
  }
}
