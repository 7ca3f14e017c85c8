/**
 * Calls across a worker boundary: a request carries an id, a method and its arguments; the answer carries the result
 * or a typed error. Aborting rejects here at once and tells the other side, which drops the work at its next step.
 */
import { onAbort } from '../abort.js';
import { fromWireError, invalid, MclipError, toWireError, type WireError } from '../errors.js';
import type { WorkerPort } from '../platform.js';

type Request = { id: number; method: string; args: unknown } | { cancel: number };
type Response = { id: number; result: unknown } | { id: number; error: WireError } | { id: number; event: unknown };

interface PendingCall {
  onEvent: ((event: unknown) => void) | undefined;
  /** For the signal. */
  stopWaiting: (() => void) | undefined;
  resolve: (result: unknown) => void;
  reject: (reason: unknown) => void;
}

/** The calling side. */
export class WorkerClient {
  readonly #port: WorkerPort;
  readonly #pending = new Map<number, PendingCall>();
  /** By id: calls that the worker is still at, those given up here included. */
  readonly #unanswered = new Set<number>();
  readonly #onIdle: (() => void)[] = [];
  #nextId = 1;
  #closed: MclipError | null = null;
  /** Why the worker stopped by itself; null while it works, and when it was terminated from here. */
  stopped: MclipError | null = null;

  constructor(port: WorkerPort) {
    this.#port = port;
    port.onMessage((message) => this.#settle(message as Response));
    port.onExit((reason) => {
      if (this.#closed !== null) return;
      this.stopped = new MclipError('WORKER', `The worker stopped: ${reason.message}`, { cause: reason });
      this.#close(this.stopped);
    });
  }

  /** @param onEvent called with what the method reports before it answers, in order */
  call<T>(
    method: string,
    args: unknown,
    signal?: AbortSignal,
    transfer: Transferable[] = [],
    onEvent?: (event: unknown) => void,
  ): Promise<T> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const abort = () => {
        this.#take(id);
        this.#port.post({ cancel: id } satisfies Request, []);
        reject(signal!.reason);
      };
      const stopWaiting = signal && onAbort(signal, abort);
      if (this.#unanswered.size === 0) this.#port.hold();
      this.#unanswered.add(id);
      this.#pending.set(id, { onEvent, stopWaiting, resolve: resolve as PendingCall['resolve'], reject });
      try {
        this.#port.post({ id, method, args } satisfies Request, transfer);
      } catch (cause) {
        const call = this.#take(id);
        this.#answered(id);
        call?.reject(invalid(`Cannot be sent to the worker: ${cause}`, { cause }));
      }
    });
  }

  /** Fails every call under way; the worker drops them at their next step. */
  cancelAll(reason: MclipError): void {
    for (const id of [...this.#pending.keys()]) {
      this.#port.post({ cancel: id } satisfies Request, []);
      this.#take(id)?.reject(reason);
    }
  }

  /** Once the worker has answered every call, those given up as well; or has stopped. */
  idle(): Promise<void> {
    if (this.#unanswered.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** Whatever is under way; a thread that is stopped inside of native code can take a Node.js process along. */
  async terminate(reason: MclipError): Promise<void> {
    this.#close(reason);
    await this.#port.terminate();
  }

  #settle(response: Response): void {
    if ('event' in response) {
      this.#pending.get(response.id)?.onEvent?.(response.event);
      return;
    }
    const call = this.#take(response.id);
    this.#answered(response.id);
    if ('error' in response) call?.reject(fromWireError(response.error));
    else call?.resolve(response.result);
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#pending.get(id);
    this.#pending.delete(id);
    call?.stopWaiting?.();
    return call;
  }

  #answered(id: number): void {
    if (this.#unanswered.delete(id) && this.#unanswered.size === 0) this.#rest();
  }

  #rest(): void {
    this.#port.release();
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #close(reason: MclipError): void {
    this.#closed ??= reason;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(reason);
    if (this.#unanswered.size === 0) return;
    this.#unanswered.clear();
    this.#rest();
  }
}

/** A worker's own end of its port. */
export interface ServerPort {
  post(message: unknown, transfer: Transferable[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** A method's answer; `transfer` names buffers that are moved instead of copied. */
export interface Answer {
  result: unknown;
  transfer?: Transferable[];
}

export type Methods = Record<
  string,
  // biome-ignore lint/suspicious/noExplicitAny: arguments are checked by the typed client of each method
  (args: any, signal: AbortSignal, emit: (event: unknown) => void) => Promise<Answer>
>;

/** The computing side: answers every request, whatever goes wrong. */
export function serve(port: ServerPort, methods: Methods): void {
  const running = new Map<number, AbortController>();
  port.onMessage(async (message) => {
    const request = message as Request;
    if ('cancel' in request) {
      running.get(request.cancel)?.abort();
      return;
    }
    const { id, method, args } = request;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      if (!Object.hasOwn(methods, method)) {
        throw new MclipError('WORKER', `The worker has no method '${method}': its script is of another version.`);
      }
      const emit = (event: unknown) => port.post({ id, event } satisfies Response, []);
      const { result, transfer } = await methods[method]!(args, controller.signal, emit);
      port.post({ id, result } satisfies Response, transfer ?? []);
    } catch (error) {
      port.post({ id, error: toWireError(error) } satisfies Response, []);
    } finally {
      running.delete(id);
    }
  });
}
