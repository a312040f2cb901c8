// Putting jobs on queues, and looking at them. Needs `import mongoqueue:jobs/queue@0.1.0;` in
// `wit/world.wit`, and a queue granted to the component by the operator.

import { PutOptions, Queue as HostQueue } from 'mongoqueue:jobs/queue@0.1.0';

import { HostError, called, millis, write } from './payload.js';

/** A queue that the host has bound for this component. */
export class Queue {
  #queue;

  constructor(queue) {
    this.#queue = queue;
  }

  /** Opens the queue that the host has bound to `name`. */
  static open(name) {
    return new Queue(called(() => HostQueue.open(name)));
  }

  /** Puts a job; answers its id. */
  put(payload, options = {}) {
    return called(() => this.#queue.put(write(payload), forHost(options)));
  }

  /** Puts several; for each, in order, its id or the HostError that it met. */
  putMany(payloads, options = {}) {
    const written = Array.from(payloads, write);
    const answers = called(() => this.#queue.putMany(written, forHost(options)));
    return answers.map(({ tag, val }) => (tag === 'ok' ? val : new HostError(val)));
  }

  /** Looks at a job. */
  get(id) {
    const info = called(() => this.#queue.get(id));
    return { ...info, due: new Date(Number(info.due)) };
  }

  /** Cancels a job that has not started, or asks a running one to stop; answers its status. */
  cancel(id) {
    return called(() => this.#queue.cancel(id));
  }

  /** How many jobs there are, and the age of the oldest ready one in milliseconds. */
  stats() {
    const { oldestReady, ...counts } = called(() => this.#queue.stats());
    const numbers = Object.entries(counts).map(([name, n]) => [name, Number(n)]);
    const age = oldestReady === undefined ? undefined : Number(oldestReady);
    return { ...Object.fromEntries(numbers), oldestReady: age };
  }
}

const SET = {
  priority: (set, n) => set.priority(n),
  delay: (set, delay) => set.delay(millis(delay, 'delay')),
  due: (set, due) => set.due(millis(due.getTime(), 'due')),
  uniqueKey: (set, key) => set.uniqueKey(key),
  maxAttempts: (set, n) => set.maxAttempts(n),
  timeout: (set, timeout) => set.timeout(millis(timeout, 'timeout')),
  backoff: (set, { first, max }) => set.backoff(millis(first, 'backoff.first'), millis(max, 'backoff.max')),
  headers: (set, headers) => Object.entries(headers).forEach(([name, value]) => set.header(name, value)),
};

function forHost(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  if (given.length === 0) return undefined;
  const set = new PutOptions();
  for (const [name, value] of given) {
    if (!Object.hasOwn(SET, name)) {
      throw new TypeError(`no option ${name} of a put: there are ${Object.keys(SET).join(', ')}`);
    }
    SET[name](set, value);
  }
  return set;
}
