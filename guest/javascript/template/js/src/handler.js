import { Reject, handles, progress } from '../mongoqueue/index.js';

/**
 * Greets whoever the payload names: `{"name": "Ada"}`.
 *
 * @param {import('../mongoqueue/index.js').Job<{ name: string }>} job
 */
async function greet(job) {
  const { name } = job.payload;
  if (!name) {
    // To the dead jobs: no attempt will ever do better.
    throw new Reject('nobody to greet', { code: 'no-name' });
  }
  progress(1, 1, 'greeted');
  return { greeting: `Hello, ${name}!` };
}

export const handler = handles(greet);
