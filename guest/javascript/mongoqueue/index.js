// The SDK for job handlers in JavaScript and TypeScript: what a handler takes, returns, throws and
// says about its job. Puts are in `queue.js`, which needs a line in `wit/world.wit`.

import * as context from 'mongoqueue:jobs/context@0.1.0';
import * as hostLog from 'mongoqueue:jobs/log@0.1.0';

import { HostError, called, millis, read, write } from './payload.js';

export { HostError, Payload } from './payload.js';

/** Thrown to fail an attempt; the job is tried again by its own back-off. */
export class Failure extends Error {
  name = 'Failure';
  disposition = { tag: 'retry' };

  constructor(message, { code, cause } = {}) {
    super(message, { cause });
    this.code = code;
  }
}

/** Thrown to fail the job for good: to the dead jobs. */
export class Reject extends Failure {
  name = 'Reject';
  disposition = { tag: 'reject' };
}

/** Thrown to fail an attempt; the job is tried again, but not before `delay` milliseconds from now. */
export class RetryAfter extends Failure {
  name = 'RetryAfter';

  constructor(delay, message, options) {
    super(message, options);
    this.disposition = { tag: 'retry-after', val: millis(delay, 'delay') };
  }
}

/** Thrown to put the job back, due after `delay` milliseconds, without counting an attempt. */
export class Release extends Failure {
  name = 'Release';

  constructor(delay = 0, message = 'released by the handler') {
    super(message);
    this.disposition = { tag: 'release', val: millis(delay, 'delay') };
  }
}

/** One attempt at one job. */
export class Job {
  constructor(job) {
    this.id = job.id;
    this.queue = job.queue;
    this.payload = read(job.payload);
    this.contentType = job.payload.contentType;
    this.data = job.payload.data;
    this.headers = job.headers;
    this.attempt = job.attempt;
    this.maxAttempts = job.maxAttempts;
    this.createdAt = new Date(Number(job.createdAt));
  }

  /** The first header of this name, if there is one; case matters. */
  header(name) {
    return this.headers.find(([key]) => key === name)?.[1];
  }

  /** Whether a failure of this attempt makes the job dead. */
  get isLastAttempt() {
    return this.attempt >= this.maxAttempts;
  }
}

/** Makes a function, async or not, the component's handler: `export const handler = handles(f)`. */
export function handles(work) {
  return {
    async handle(job) {
      try {
        const output = await work(readJob(job));
        return output === undefined || output === null ? undefined : write(output);
      } catch (error) {
        throw failure(error);
      }
    },
  };
}

function readJob(job) {
  try {
    return new Job(job);
  } catch (error) {
    // A payload never changes: no attempt will ever read it.
    throw new Reject(`the payload: ${error.message}`, { code: 'bad-payload' });
  }
}

// What was not thrown as a Failure is a defect: its stack goes to stderr, which the job's record
// keeps the end of.
function failure(error) {
  if (error instanceof Failure) {
    const { message, code, disposition } = error;
    return { message: withCauses(message, error.cause), code, disposition };
  }
  if (!(error instanceof Error)) {
    return { message: `thrown: ${shown(error)}`, code: undefined, disposition: { tag: 'retry' } };
  }
  console.error(`${error.name}: ${error.message}\n${error.stack ?? ''}`);
  const code = typeof error.code === 'string' ? error.code : undefined;
  const message = withCauses(`${error.name}: ${error.message}`, error.cause);
  return { message, code, disposition: { tag: 'retry' } };
}

// A chain that bites its own tail ends.
const CAUSES = 16;

function withCauses(message, cause) {
  for (let n = 0; n < CAUSES && cause !== undefined && cause !== null; n += 1) {
    message += `: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : shown(cause)}`;
    cause = cause.cause;
  }
  return message;
}

function shown(value) {
  try {
    return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  } catch {
    return String(value);
  }
}

/**
 * Says how far the work is, and extends the lease; `count` and `total` in the handler's own unit,
 * `note` for people.
 */
export function progress(count, total, note) {
  const optional = (n) => (n === undefined || n === null ? undefined : BigInt(n));
  called(() => context.report({ count: BigInt(count), total: optional(total), note: note || undefined }));
}

/** Saves state for a later attempt, in place of what was saved before. */
export function save(state) {
  called(() => context.save(write(state)));
}

/** What was last saved, in this attempt or an earlier one; `undefined` when nothing was. */
export function saved() {
  const state = called(() => context.saved());
  return state && read(state);
}

/** Extends the lease. The host does so by itself; also the cheap way to ask whether it is lost. */
export function heartbeat() {
  called(() => context.heartbeat());
}

/** Milliseconds left before the host cuts this attempt off. */
export function remaining() {
  return Number(context.remaining());
}

/** Somebody asked for the job to be cancelled, or the host is shutting down: return soon. */
export function isCancelled() {
  return context.isCancelled();
}

/** The job's own log. What goes to `console` goes to the same place, without a level. */
export const log = {
  debug: (message) => hostLog.write('debug', String(message)),
  info: (message) => hostLog.write('info', String(message)),
  warn: (message) => hostLog.write('warn', String(message)),
  error: (message) => hostLog.write('error', String(message)),
};
