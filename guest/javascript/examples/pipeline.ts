// Puts follow-up jobs: one for each word of `{"text": "one two!"}`.
//
// A handler may run more than once, so each has a unique key: a second attempt finds those that the
// first one put, and puts the rest. Needs `import mongoqueue:jobs/queue@0.1.0;` in wit/world.wit.

import { HostError, handles, type Job } from '../mongoqueue/index.js';
import { Queue } from '../mongoqueue/queue.js';

function split(job: Job<{ text: string }>) {
  const queue = Queue.open('next');
  const done = { put: 0, found: 0 };
  for (const [position, word] of job.payload.text.split(/\s+/).entries()) {
    // Shouting is urgent.
    const options = { uniqueKey: `${job.id}/${position}`, priority: word.endsWith('!') ? 10 : 0 };
    try {
      queue.put({ word }, options);
      done.put += 1;
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== 'duplicate') throw error;
      done.found += 1;
    }
  }
  return done;
}

export const handler = handles(split);
