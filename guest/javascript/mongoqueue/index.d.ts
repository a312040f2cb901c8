/** The SDK for job handlers: what a handler takes, returns, throws and says about its job. */

export { HostError, Payload } from './payload.js';

/** One attempt at one job, with the payload as a `T`. */
export interface Job<T = unknown> {
  /** The same in every attempt: what makes a repeated effect recognisable. */
  readonly id: string;
  /** The queue, by the name that this component knows it by. */
  readonly queue: string;
  /**
   * JSON as a value, anything else as a `Uint8Array`. A whole number beyond 2^53 is a `bigint`; what
   * JSON doesn't have comes as Extended JSON: `{"$date": "2027-01-31T09:30:00Z"}`.
   */
  readonly payload: T;
  /** The payload's media type. */
  readonly contentType: string;
  /** The payload's bytes, as they are. */
  readonly data: Uint8Array;
  /** Small strings beside the payload, in the order of the put. */
  readonly headers: ReadonlyArray<readonly [string, string]>;
  /** 1 on the first try. */
  readonly attempt: number;
  /** The attempt after whose failure the job is dead. */
  readonly maxAttempts: number;
  /** When the job was put, by the database's clock. */
  readonly createdAt: Date;
  /** Whether a failure of this attempt makes the job dead. */
  readonly isLastAttempt: boolean;
  /** The first header of this name, if there is one; case matters. */
  header(name: string): string | undefined;
}

/** What a component exports: `export const handler = handles(…)`. */
export interface Handler {
  handle(job: unknown): Promise<unknown>;
}

/**
 * Makes a function, async or not, the component's handler. What it returns is the job's output: JSON,
 * bytes of a `Uint8Array`, a `Payload`; nothing for `undefined` and `null`. What it throws fails the
 * attempt: a {@link Failure} as it says, anything else with its stack in the job's record.
 */
export function handles<T = unknown>(work: (job: Job<T>) => unknown): Handler;

/** Beside the message of a failure. */
export interface FailureOptions {
  /** A short stable code for programs, for example `smtp-550`. */
  code?: string;
  /** What led to it: its words are added to the message. */
  cause?: unknown;
}

/** Thrown to fail an attempt; the job is tried again by its own back-off. */
export class Failure extends Error {
  readonly code?: string;
  constructor(message: string, options?: FailureOptions);
}

/** Thrown to fail the job for good: to the dead jobs. */
export class Reject extends Failure {}

/** Thrown to fail an attempt; the job is tried again, but not before `delay` milliseconds from now. */
export class RetryAfter extends Failure {
  constructor(delay: number, message: string, options?: FailureOptions);
}

/** Thrown to put the job back, due after `delay` milliseconds, without counting an attempt. */
export class Release extends Failure {
  constructor(delay?: number, message?: string);
}

/**
 * Says how far the work is, and extends the lease; `count` and `total` in the handler's own unit,
 * `note` for people.
 *
 * @throws HostError `lease-lost` once another worker has the job: stop then.
 */
export function progress(count: number | bigint, total?: number | bigint, note?: string): void;

/**
 * Saves state for a later attempt, in place of what was saved before.
 *
 * @throws HostError `lease-lost`; `limit-exceeded` for more bytes than the host keeps.
 */
export function save(state: unknown): void;

/** What was last saved, in this attempt or an earlier one; `undefined` when nothing was. */
export function saved<T = unknown>(): T | undefined;

/**
 * Extends the lease. The host does so by itself; also the cheap way to ask whether it is lost.
 *
 * @throws HostError `lease-lost`.
 */
export function heartbeat(): void;

/** Milliseconds left before the host cuts this attempt off. */
export function remaining(): number;

/** Somebody asked for the job to be cancelled, or the host is shutting down: return soon. */
export function isCancelled(): boolean;

/** The job's own log. What goes to `console` goes to the same place, without a level. */
export const log: {
  debug(message: unknown): void;
  info(message: unknown): void;
  warn(message: unknown): void;
  error(message: unknown): void;
};
