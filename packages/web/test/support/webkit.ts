/** WebKitGTK's MiniBrowser on a display of its own, through W3C WebDriver. The engine is Safari's; the rest is not. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import type { LaunchedBrowser, OtherBrowser } from './other-browser.js';

const DRIVER = '/usr/bin/WebKitWebDriver';
const DISPLAY_SERVER = '/usr/bin/Xvfb';
/** A busy machine takes its time. */
const PATIENCE = 180_000;

const missingFiles = [DRIVER, DISPLAY_SERVER].filter((file) => !existsSync(file));

export const webkit: OtherBrowser = {
  name: 'WebKitGTK',
  missing:
    missingFiles.length === 0
      ? null
      : `there is no ${missingFiles.join(' and no ')}: apt-get install webkit2gtk-driver gstreamer1.0-gl xvfb`,
  launch,
};

async function launch(): Promise<LaunchedBrowser> {
  const processes: ChildProcess[] = [];
  try {
    const screen = spawn(DISPLAY_SERVER, ['-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    processes.push(screen);
    const display = await firstLine(screen.stdio[3] as Readable);
    const port = await freePort();
    processes.push(
      spawn(DRIVER, [`--port=${port}`], { stdio: 'ignore', env: { ...process.env, DISPLAY: `:${display}` } }),
    );
    const driver = `http://127.0.0.1:${port}`;
    await started(driver);
    return await newSession(driver, () => stopAll(processes));
  } catch (error) {
    await stopAll(processes);
    throw error;
  }
}

async function newSession(driver: string, stop: () => Promise<void>): Promise<LaunchedBrowser> {
  // without a binary the driver starts its own MiniBrowser
  const { sessionId, capabilities } = await call(driver, 'POST', '/session', { capabilities: {} });
  const session = `/session/${sessionId}`;
  await call(driver, 'POST', `${session}/timeouts`, { script: PATIENCE, pageLoad: PATIENCE });
  return {
    version: `${capabilities.browserName} ${capabilities.browserVersion}`,
    async run(url, work, argument) {
      await call(driver, 'POST', `${session}/url`, { url });
      const answer = await call(driver, 'POST', `${session}/execute/async`, {
        script: inPage(work),
        args: [argument],
      });
      if (answer.error !== undefined) throw new Error(`In the page: ${answer.error}`);
      return answer.value;
    },
    async close() {
      await call(driver, 'DELETE', session).catch(() => {}); // it may have crashed
      await stop();
    },
  };
}

/** The body of a WebDriver script: its last argument reports the result. */
function inPage(work: (argument: never) => Promise<unknown>): string {
  return `const [argument, report] = arguments;
(async () => {
  while (!('mclip' in globalThis)) await new Promise((resolve) => setTimeout(resolve, 50));
  return (${work})(argument);
})().then((value) => report({ value }), (error) => report({ error: String(error) }));`;
}

// biome-ignore lint/suspicious/noExplicitAny: whatever the driver answers
async function call(driver: string, method: string, path: string, body?: object): Promise<any> {
  const response = await fetch(driver + path, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const { value } = (await response.json()) as { value: { error?: string; message?: string } };
  if (!response.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
  return value;
}

async function started(driver: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
    if (await fetch(`${driver}/status`).catch(() => null)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${DRIVER} did not answer within ${PATIENCE / 1000} s.`);
}

function firstLine(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    stream.once('data', (data: Buffer) => resolve(`${data}`.trim()));
    stream.once('end', () => reject(new Error(`${DISPLAY_SERVER} did not start.`)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** The driver first, then the display that its browser is on. */
async function stopAll(processes: ChildProcess[]): Promise<void> {
  for (const each of processes.reverse()) {
    if (each.exitCode !== null) continue;
    const exited = new Promise((resolve) => each.once('exit', resolve));
    each.kill();
    await exited;
  }
}
