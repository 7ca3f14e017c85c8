/** What the smoke tests ask of a browser that is not Chromium. */
export interface OtherBrowser {
  name: string;
  /** Why it cannot be tried on this machine; null when it can. */
  missing: string | null;
  launch(): Promise<LaunchedBrowser>;
}

export interface LaunchedBrowser {
  version: string;
  /** Opens the test page, waits for the library, runs `work` there and gives back what it resolves to. */
  run<A, R>(url: string, work: (argument: A) => Promise<R>, argument: A): Promise<R>;
  close(): Promise<void>;
}
