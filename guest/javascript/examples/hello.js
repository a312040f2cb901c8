// The smallest handler: greets whoever the payload names, `{"name": "Ada"}`.

import { handles } from '../mongoqueue/index.js';

export const handler = handles((job) => `Hello, ${job.payload.name}!`);
