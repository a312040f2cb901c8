import { Reject, handles, progress, type Job } from '../mongoqueue/index.js';

interface Person {
  name?: string;
}

/** Greets whoever the payload names: `{"name": "Ada"}`. */
async function greet(job: Job<Person>): Promise<{ greeting: string }> {
  const { name } = job.payload;
  if (!name) {
    // To the dead jobs: no attempt will ever do better.
    throw new Reject('nobody to greet', { code: 'no-name' });
  }
  progress(1, 1, 'greeted');
  return { greeting: `Hello, ${name}!` };
}

export const handler = handles(greet);
