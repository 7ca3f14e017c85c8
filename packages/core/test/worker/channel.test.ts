import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MclipError } from '../../src/errors.js';
import { type Methods, serve, WorkerClient } from '../../src/worker/channel.js';
import { rejection } from '../thrown.js';

let ports: MessagePort[] = [];
let unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  for (const port of ports) port.close();
  ports = [];
  await sleep(5);
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** A client and a server on the two ends of a real channel. */
function connect(methods: Methods) {
  const { port1, port2 } = new MessageChannel();
  ports.push(port1, port2);
  const state = { held: 0, holds: 0, releases: 0, terminated: 0 };
  const exits: ((reason: Error) => void)[] = [];
  const client = new WorkerClient({
    post: (message, transfer) => port1.postMessage(message, transfer as ArrayBuffer[]),
    onMessage: (listener) => port1.on('message', listener),
    onExit: (listener) => exits.push(listener),
    hold: () => {
      state.holds++;
      state.held++;
    },
    release: () => {
      state.releases++;
      state.held--;
    },
    terminate: async () => {
      state.terminated++;
      port2.close();
    },
  });
  serve(
    {
      post: (message, transfer) => port2.postMessage(message, transfer as ArrayBuffer[]),
      onMessage: (listener) => port2.on('message', listener),
    },
    methods,
  );
  const exit = (reason: Error) => {
    for (const listener of exits) listener(reason);
  };
  return { client, state, exit };
}

const never = () => new Promise<never>(() => {});
const double = async (value: number) => ({ result: value * 2 });

test('a call returns its result', async () => {
  const { client } = connect({ double });
  expect(await client.call('double', 21)).toBe(42);
});

test('many concurrent calls get their own answers, in whatever order they come', async () => {
  const methods: Methods = {
    later: async (value: number) => {
      await sleep((value * 7) % 5);
      if (value % 10 === 3) throw new MclipError('IMAGE_DECODE', `picture ${value}`);
      return { result: `answer ${value}` };
    },
  };
  const { client, state } = connect(methods);
  const calls = Array.from({ length: 200 }, (_, value) =>
    client.call<string>('later', value).catch((error: Error) => `error ${error.message}`),
  );
  const expected = calls.map((_, value) => (value % 10 === 3 ? `error picture ${value}` : `answer ${value}`));
  expect(await Promise.all(calls)).toEqual(expected);
  expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
});

test('buffers are moved both ways when they are named, copied when not', async () => {
  const methods: Methods = {
    grow: async (floats: Float32Array) => {
      const result = floats.map((value) => value + 1);
      return { result, transfer: [result.buffer as ArrayBuffer] };
    },
  };
  const { client } = connect(methods);
  const copied = Float32Array.of(1, 2);
  expect(await client.call('grow', copied)).toEqual(Float32Array.of(2, 3));
  expect(copied).toHaveLength(2);
  const moved = Float32Array.of(1, 2);
  expect(await client.call('grow', moved, undefined, [moved.buffer])).toEqual(Float32Array.of(2, 3));
  expect(moved).toHaveLength(0);
});

test('a typed error keeps code, message and cause', async () => {
  const fail = async () => {
    throw new MclipError('IMAGE_TOO_LARGE', '9000 pixels', { cause: new RangeError('header') });
  };
  const error = await rejection('IMAGE_TOO_LARGE', connect({ fail }).client.call('fail', null));
  expect(error.message).toBe('9000 pixels');
  expect(error.cause).toBe('RangeError: header');
});

test.each([
  [new TypeError('x is undefined'), 'TypeError: x is undefined'],
  ['text', 'Error: text'],
  [undefined, 'Error: undefined'],
  [Object.create(null), 'Error: [object Object]'],
])('the unexpected error %o arrives as WORKER', async (thrownValue, message) => {
  const fail = async () => {
    throw thrownValue;
  };
  const error = await rejection('WORKER', connect({ fail }).client.call('fail', null));
  expect(error.message).toBe(message);
});

test('a method that throws at once answers like any other', async () => {
  const fail = () => {
    throw new MclipError('OUT_OF_MEMORY', 'no room');
  };
  await rejection('OUT_OF_MEMORY', connect({ fail }).client.call('fail', null));
});

test.each(['missing', 'toString', 'constructor', '__proto__'])('the unknown method %s is named', async (method) => {
  const { client } = connect({ double });
  const error = await rejection('WORKER', client.call(method, 1));
  expect(error.message).toContain(`'${method}'`);
  expect(error.message).not.toContain('TypeError');
  expect(await client.call('double', 1)).toBe(2);
});

// 50 ms are asked for; a busy machine may miss them once
test('aborting rejects at once with the reason and aborts the signal of the other side', { retry: 2 }, async () => {
  let stopped: () => void = () => {};
  const serverStopped = new Promise<void>((resolve) => (stopped = resolve));
  const wait = (_: unknown, signal: AbortSignal) => {
    signal.addEventListener('abort', () => stopped());
    return new Promise<never>((_, reject) => signal.addEventListener('abort', reject));
  };
  const { client, state } = connect({ wait });
  const controller = new AbortController();
  const call = client.call('wait', null, controller.signal);
  await sleep(2);
  const reason = new Error('enough');
  const start = performance.now();
  controller.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(performance.now() - start).toBeLessThan(50);
  expect(await Promise.race([serverStopped.then(() => 'stopped'), sleep(1000)])).toBe('stopped');
  await client.idle();
  expect(state.held).toBe(0);
});

test('only the aborted call is stopped', async () => {
  const started: number[] = [];
  const stopped: number[] = [];
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const wait = async (value: number, signal: AbortSignal) => {
    started.push(value);
    signal.addEventListener('abort', () => stopped.push(value));
    await ended;
    return { result: value };
  };
  const { client } = connect({ wait, end: async () => ({ result: end() }) });
  const controller = new AbortController();
  const calls = [client.call('wait', 1), client.call('wait', 2, controller.signal), client.call('wait', 3)];
  const outcomes = Promise.allSettled(calls);
  await expect.poll(() => started).toEqual([1, 2, 3]);
  controller.abort('no');
  await client.call('end', null); // after the news of the abort
  expect(await outcomes).toEqual([
    { status: 'fulfilled', value: 1 },
    { status: 'rejected', reason: 'no' },
    { status: 'fulfilled', value: 3 },
  ]);
  expect(stopped).toEqual([2]);
});

test('a signal that is aborted already sends nothing', async () => {
  let calls = 0;
  const count = async () => ({ result: ++calls });
  const { client, state } = connect({ count });
  await expect(client.call('count', null, AbortSignal.abort('no'))).rejects.toBe('no');
  expect(await client.call('count', null)).toBe(1);
  expect(state).toMatchObject({ held: 0, holds: 1 });
});

test('the answer to a call that was aborted is dropped', async () => {
  let answered = 0;
  let answer: () => void = () => {};
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
  const slow = async (value: number) => {
    await mayAnswer;
    answered++;
    if (value === 2) throw new Error('late failure');
    return { result: value };
  };
  const { client, state } = connect({ slow });
  const controller = new AbortController();
  const aborted = [1, 2].map((value) => client.call('slow', value, controller.signal));
  await sleep(1);
  controller.abort('no');
  for (const call of aborted) await expect(call).rejects.toBe('no');
  answer();
  expect(await client.call('slow', 5)).toBe(5);
  await sleep(10);
  expect(answered).toBe(3);
  expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
});

test('no listener stays on the signal', async () => {
  const { client } = connect({
    double,
    fail: async () => {
      throw new Error('x');
    },
  });
  const { signal } = new AbortController();
  await client.call('double', 1, signal);
  await client.call('fail', 1, signal).catch(() => {});
  await client.call('double', () => {}, signal).catch(() => {});
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('the exit of the worker rejects every call under way, and later ones', async () => {
  const { client, state, exit } = connect({ wait: never });
  const calls = [client.call('wait', 1), client.call('wait', 2)];
  const reason = new Error('exit code 1');
  exit(reason);
  for (const call of [...calls, client.call('wait', 3)]) {
    const error = await rejection('WORKER', call);
    expect(error.message).toContain('exit code 1');
    expect(error.cause).toBe(reason);
  }
  expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
});

test('the first reason to close stays', async () => {
  const { client, exit } = connect({ wait: never });
  const call = client.call('wait', 1);
  await client.terminate(new MclipError('DISPOSED', 'disposed'));
  exit(new Error('exit code 1'));
  await rejection('DISPOSED', call);
  await rejection('DISPOSED', client.call('wait', 1));
});

test('terminating rejects what is under way and ends the worker', async () => {
  const { client, state } = connect({ wait: never });
  const call = client.call('wait', 1);
  await client.terminate(new MclipError('DISPOSED', 'disposed'));
  await rejection('DISPOSED', call);
  expect(state).toMatchObject({ held: 0, terminated: 1 });
});

test.each(['aborted', 'cancelled'])(
  'a call that was %s holds the process until the worker has left it',
  async (how) => {
    let leave: () => void = () => {};
    const native = () => new Promise<{ result: null }>((resolve) => (leave = () => resolve({ result: null })));
    const { client, state } = connect({ native, double });
    const controller = new AbortController();
    const call = client.call('native', null, controller.signal);
    await sleep(2);
    if (how === 'aborted') controller.abort(new Error('enough'));
    else client.cancelAll(new MclipError('DISPOSED', 'enough'));
    await expect(call).rejects.toThrow('enough');
    let idle = false;
    const becameIdle = client.idle().then(() => (idle = true));
    expect(await client.call('double', 4)).toBe(8);
    await sleep(5);
    expect([idle, state.held]).toEqual([false, 1]);
    leave();
    await becameIdle;
    expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
  },
);

test('a worker that stopped is idle', async () => {
  const { client, state, exit } = connect({ wait: never });
  await client.idle();
  const call = client.call('wait', 1);
  const idle = client.idle();
  exit(new Error('exit code 1'));
  await rejection('WORKER', call);
  await idle;
  expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
});

test('cancelling all leaves the worker in use', async () => {
  const stopped: number[] = [];
  const wait = (value: number, signal: AbortSignal) => {
    signal.addEventListener('abort', () => stopped.push(value));
    return new Promise<never>((_, reject) => signal.addEventListener('abort', reject));
  };
  const { client, state } = connect({ wait, double });
  const calls = [client.call('wait', 1), client.call('wait', 2)];
  client.cancelAll(new MclipError('DISPOSED', 'disposed'));
  for (const call of calls) await rejection('DISPOSED', call);
  expect(await client.call('double', 4)).toBe(8);
  expect(state.held).toBe(0);
  expect(stopped).toEqual([1, 2]);
});

test('arguments that cannot be cloned are an error of the caller, and the channel goes on', async () => {
  const { client, state } = connect({ double });
  const error = await rejection('INVALID_ARGUMENT', client.call('double', { callback: () => 1 }));
  expect(error.message).toContain('could not be cloned');
  expect(state).toMatchObject({ held: 0, holds: 1, releases: 1 });
  expect(await client.call('double', 2)).toBe(4);
});

test('a result that cannot be cloned is a typed error, and the channel goes on', async () => {
  const { client } = connect({ double, bad: async () => ({ result: () => 1 }) });
  expect((await rejection('WORKER', client.call('bad', null))).message).toContain('DataCloneError');
  expect(await client.call('double', 2)).toBe(4);
});

test('the process is held while calls are under way, and only then', async () => {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const { client, state } = connect({ double, later: async () => ({ result: await ended }) });
  expect(state.holds).toBe(0);
  const calls = [client.call('double', 1), client.call('later', null)];
  expect(state).toMatchObject({ held: 1, holds: 1 });
  await calls[0];
  expect(state.held).toBe(1);
  end();
  await calls[1];
  expect(state.held).toBe(0);
  await client.call('double', 1);
  expect(state).toMatchObject({ held: 0, holds: 2, releases: 2 });
});

test('what a method reports on the way comes in order, to its own call, and before the answer', async () => {
  const { client } = connect({
    count: async (to: number, _signal, emit) => {
      for (let i = 1; i <= to; i++) {
        emit(i);
        await sleep(1);
      }
      return { result: 'done' };
    },
  });
  const heard: Record<string, unknown[]> = { a: [], b: [] };
  const call = (who: string, to: number) =>
    client
      .call<string>('count', to, undefined, [], (event) => heard[who]!.push(event))
      .then((end) => heard[who]!.push(end));
  await Promise.all([call('a', 3), call('b', 2)]);
  expect(heard).toEqual({ a: [1, 2, 3, 'done'], b: [1, 2, 'done'] });
});

test('nothing is heard of a call after it was aborted', async () => {
  const { client } = connect({
    talk: async (_: null, signal, emit) => {
      while (!signal.aborted) {
        emit('word');
        await sleep(1);
      }
      emit('last word');
      return { result: null };
    },
  });
  const controller = new AbortController();
  let heard = 0;
  const talking = client.call('talk', null, controller.signal, [], () => {
    if (++heard === 3) controller.abort('enough');
  });
  await expect(talking).rejects.toBe('enough');
  await sleep(20);
  expect(heard).toBe(3);
});
