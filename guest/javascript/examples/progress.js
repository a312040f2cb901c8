// Says how far it is, for whoever looks at the job: `{"rows": 1000}`.

import { handles, progress } from '../mongoqueue/index.js';

const BATCH = 100;

/** @param {import('../mongoqueue/index.js').Job<{ rows: number }>} job */
function load({ payload: { rows } }) {
  for (let done = 0; done < rows; done += BATCH) progress(done, rows, 'loading');
  progress(rows, rows, 'done');
  return { rows };
}

export const handler = handles(load);
