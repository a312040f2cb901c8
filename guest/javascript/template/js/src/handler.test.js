import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { attempt, host, reset } from '../mongoqueue/testing.js';
import { handler } from './handler.js';

beforeEach(reset);

test('greets by name', async () => {
  const { output } = await attempt(handler, { name: 'Ada' });
  assert.deepEqual(output, { greeting: 'Hello, Ada!' });
  assert.equal(host.progress.length, 1);
});

test('rejects a job without a name', async () => {
  const { failure } = await attempt(handler, {});
  assert.equal(failure.code, 'no-name');
  assert.equal(failure.disposition.tag, 'reject');
});
