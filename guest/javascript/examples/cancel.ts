// Stops when somebody cancels the job, or the worker is to end; `{"pages": 100}`.

import { Release, handles, isCancelled, log, save, saved, type Job } from '../mongoqueue/index.js';

function print({ payload: { pages } }: Job<{ pages: number }>) {
  for (let page = saved<number>() ?? 0; page < pages; page += 1) {
    if (isCancelled()) {
      // A cancelled job stays so; of a worker that ends, another one goes on from here.
      save(page);
      throw new Release(0);
    }
    log.debug(`page ${page + 1}`);
  }
  return { pages };
}

export const handler = handles(print);
