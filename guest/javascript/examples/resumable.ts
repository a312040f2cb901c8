// Goes on where an earlier attempt failed: adds up the numbers from 1 to `{"steps": 5}`.
//
// With `"fail_at": 3` the first attempt fails before step 3, and the second begins there.

import { handles, save, saved, type Job } from '../mongoqueue/index.js';

interface Work {
  steps: number;
  fail_at?: number;
}

/** All that a later attempt needs to know. */
interface State {
  next: number;
  sum: number;
}

function work(job: Job<Work>) {
  const { steps, fail_at } = job.payload;
  const state = saved<State>() ?? { next: 1, sum: 0 };
  const started_at = state.next;
  while (state.next <= steps) {
    if (job.attempt === 1 && state.next === fail_at) throw new Error('failing, as the payload asks');
    state.sum += state.next;
    state.next += 1;
    save(state);
  }
  return { started_at, sum: state.sum };
}

export const handler = handles(work);
