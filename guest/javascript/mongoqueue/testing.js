// A host for unit tests of a handler, without a database: `node --import ./mongoqueue/testing.js`.
// What the handler says is in `host`; what it is to find, the test writes there.

import { register } from 'node:module';

/** What the handler under test said, and what it is told. */
export const host = {};

/** Forgets everything. */
export function reset() {
  Object.assign(host, {
    progress: [],
    saved: undefined,
    lines: [],
    /** Names that may be opened. */
    queues: [],
    puts: [],
    cancelled: false,
    remaining: 300_000,
  });
}

/** Makes an attempt: what the handler returned, or what it failed with. Both as the host sees them. */
export async function attempt(handler, payload, job = {}) {
  const json = !(payload instanceof Uint8Array);
  const given = {
    id: 'test',
    queue: 'test',
    payload: {
      contentType: json ? 'application/json' : 'application/octet-stream',
      data: json ? new TextEncoder().encode(JSON.stringify(payload)) : payload,
    },
    headers: [],
    attempt: 1,
    maxAttempts: 3,
    createdAt: 0n,
    ...job,
  };
  try {
    const output = await handler.handle(given);
    const text = () => new TextDecoder().decode(output.data);
    const value = output?.contentType === 'application/json' ? JSON.parse(text()) : output?.data;
    return { output: value };
  } catch (failure) {
    return { failure };
  }
}

const refused = (tag, val) => Object.assign(new Error(tag), { payload: { tag, val } });

/** The host's side of each interface. */
host.interfaces = {
  context: {
    report: (progress) => void host.progress.push(progress),
    save: (state) => void (host.saved = state),
    saved: () => host.saved,
    heartbeat: () => {},
    remaining: () => BigInt(host.remaining),
    isCancelled: () => host.cancelled,
  },
  log: { write: (level, message) => void host.lines.push(`${level}: ${message}`) },
  queue: {
    PutOptions: class {
      constructor() {
        const given = {};
        this.given = given;
        const set = (name) => (...values) => void (given[name] = values.length > 1 ? values : values[0]);
        const names = ['priority', 'delay', 'due', 'uniqueKey', 'maxAttempts', 'timeout', 'backoff'];
        for (const name of names) this[name] = set(name);
        this.header = (name, value) => void ((given.headers ??= {})[name] = value);
      }
    },
    Queue: class Queue {
      static open(name) {
        if (!host.queues.includes(name)) throw refused('access-denied');
        return Object.assign(new Queue(), { name });
      }
      put(payload, options) {
        host.puts.push({ queue: this.name, payload, options: options?.given });
        return `put-${host.puts.length}`;
      }
      putMany(payloads, options) {
        return payloads.map((payload) => ({ tag: 'ok', val: this.put(payload, options) }));
      }
      get() {
        throw refused('no-such-job');
      }
      cancel() {
        throw refused('no-such-job');
      }
      stats() {
        return { scheduled: 0n, ready: BigInt(host.puts.length), running: 0n, dead: 0n };
      }
    },
  },
};
reset();

// Node knows no module `mongoqueue:jobs/…`: each is made of the interface above.
globalThis[Symbol.for('mongoqueue.host')] ??= host.interfaces;
const modules = Object.entries(host.interfaces).map(([name, functions]) => {
  const at = `globalThis[Symbol.for('mongoqueue.host')].${name}`;
  const source = Object.keys(functions).map((f) => `export const ${f} = ${at}.${f};`).join('\n');
  return [`mongoqueue:jobs/${name}@0.1.0`, source];
});
const hooks = `
  const modules = new Map(${JSON.stringify(modules)});
  export const resolve = (name, context, next) =>
    modules.has(name) ? { url: name, shortCircuit: true } : next(name, context);
  export const load = (url, context, next) =>
    modules.has(url) ? { format: 'module', source: modules.get(url), shortCircuit: true } : next(url, context);
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
