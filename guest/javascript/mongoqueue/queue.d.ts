import type { HostError } from './payload.js';

/** How a job is put. Lengths of time are milliseconds. */
export interface PutOptions {
  /** Higher first; 0. */
  priority?: number;
  /** Due this long from now. */
  delay?: number;
  /** Due at this time; the later of this and `delay` counts. */
  due?: Date;
  /** At most one live job of the queue has this key. */
  uniqueKey?: string;
  /** How many attempts may fail. */
  maxAttempts?: number;
  /** The longest that one attempt may take. */
  timeout?: number;
  /** The wait after a failed attempt, doubled after each. */
  backoff?: { first: number; max: number };
  /** Small strings beside the payload. */
  headers?: Record<string, string>;
}

/** Where a job stands. */
export type Status = 'scheduled' | 'ready' | 'running' | 'completed' | 'dead' | 'cancelled';

/** A job as the queue has it. */
export interface JobInfo {
  id: string;
  status: Status;
  attempt: number;
  maxAttempts: number;
  due: Date;
  progress?: { count: bigint; total?: bigint; note?: string };
  lastError?: string;
}

/** How many jobs of a queue there are. */
export interface Stats {
  scheduled: number;
  ready: number;
  running: number;
  dead: number;
  /** Age of the oldest ready job in milliseconds. */
  oldestReady?: number;
}

/**
 * A queue that the host has bound for this component. Needs `import mongoqueue:jobs/queue@0.1.0;` in
 * `wit/world.wit`, and a grant of the operator.
 */
export class Queue {
  private constructor();

  /**
   * Opens the queue that the host has bound to `name`.
   *
   * @throws HostError `access-denied` when there is none.
   */
  static open(name: string): Queue;

  /**
   * Puts a job; answers its id.
   *
   * @throws HostError `duplicate`, `limit-exceeded`, `invalid-argument`, `unavailable`.
   */
  put(payload: unknown, options?: PutOptions): string;

  /** Puts several; for each, in order, its id or the error that it met. */
  putMany(payloads: Iterable<unknown>, options?: PutOptions): Array<string | HostError>;

  /** Looks at a job. */
  get(id: string): JobInfo;

  /** Cancels a job that has not started, or asks a running one to stop; answers its status. */
  cancel(id: string): Status;

  /** How many jobs there are. */
  stats(): Stats;
}
