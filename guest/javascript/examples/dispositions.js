// Every way not to finish a job, by what another service answered: `{"status": 503}`.

import { Failure, Reject, Release, RetryAfter, handles } from '../mongoqueue/index.js';

/** @param {import('../mongoqueue/index.js').Job<{ status: number }>} job */
function deliver(job) {
  const { status } = job.payload;
  if (status < 300) return { delivered: true };
  // Counts as an attempt, and the next one is not before this.
  if (status === 429) throw new RetryAfter(60_000, 'too many requests', { code: 'busy' });
  // Nobody's fault: counts as none.
  if (status === 503) throw new Release(30_000);
  const code = `http-${status}`;
  // No attempt will ever do better: to the dead jobs.
  if (status < 500) throw new Reject(`refused with ${status}`, { code });
  // By the job's own back-off, while attempts are left.
  throw new Failure(`failed with ${status}`, { code });
}

export const handler = handles(deliver);
