// What every SDK does alike: the payload names the case. Tried by `tests/it/languages`.

import {
  Failure, Reject, Release, RetryAfter, handles, heartbeat, isCancelled, log, progress, remaining, save, saved,
} from '../mongoqueue/index.js';
import { Queue } from '../mongoqueue/queue.js';

const cases = {
  echo: ({ value }) => value,
  nothing: () => undefined,
  retry(_, job) {
    if (job.attempt === 1) throw new RetryAfter(2_000, 'later', { code: 'busy' });
    return { attempt: job.attempt };
  },
  reject() {
    throw new Reject('never', { code: 'bad-input' });
  },
  release() {
    if (saved()) return { saved: saved() };
    save({ released: true });
    throw new Release(500);
  },
  throw() {
    function inner() {
      throw new TypeError('boom', { cause: new RangeError('the fuse') });
    }
    inner();
  },
  progress() {
    progress(3, 10, 'third');
    throw new Failure('enough');
  },
  save(_, job) {
    if (job.attempt > 1) return saved();
    save({ page: 7 });
    throw new Failure('half way');
  },
  put() {
    const next = Queue.open('next');
    const one = next.put({ n: 1 }, { priority: 5, headers: { from: 'conformance' }, maxAttempts: 9 });
    const many = next.putMany([{ n: 2 }, { n: 3 }, { n: 4 }]);
    return { one, many, ready: next.stats().ready, status: next.get(one).status };
  },
  'put-nowhere': () => Queue.open('elsewhere'),
  async cancelled() {
    while (!isCancelled()) {
      heartbeat();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { cancelled: true };
  },
  big: ({ text }) => [...text].reverse().join(''),
  log() {
    log.info('one');
    log.warn('two');
    console.log('three');
  },
  remaining: () => remaining(),
  attempt: (_, job) => ({
    id: job.id,
    queue: job.queue,
    attempt: job.attempt,
    max: job.maxAttempts,
    year: job.createdAt.getUTCFullYear(),
    header: job.header('from'),
    last: job.isLastAttempt,
  }),
};

export const handler = handles(async (job) => {
  if (job.payload instanceof Uint8Array) return job.payload;
  return cases[job.payload.case](job.payload, job);
});
