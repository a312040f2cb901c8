// Each example, by its name, on a host for tests.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { attempt, host, reset } from '../mongoqueue/testing.js';
import { handler as cancel } from './cancel.js';
import { handler as dispositions } from './dispositions.js';
import { handler as hello } from './hello.js';
import { handler as pipeline } from './pipeline.js';
import { handler as progress } from './progress.js';
import { handler as resumable } from './resumable.js';
import { handler as typed } from './typed.js';

beforeEach(reset);

test('hello', async () => {
  assert.equal((await attempt(hello, { name: 'Ada' })).output, 'Hello, Ada!');
});

test('typed', async () => {
  const lines = [{ sku: 'nail', count: 100, cents: 2 }, { sku: 'saw', count: 1, cents: 999 }];
  assert.deepEqual((await attempt(typed, { lines })).output, { items: 101, cents: 1199 });
  assert.equal((await attempt(typed, { lines: [{}] })).failure.code, 'bad-payload');
});

test('dispositions', async () => {
  assert.deepEqual((await attempt(dispositions, { status: 200 })).output, { delivered: true });
  const ends = [
    [429, 'busy', { tag: 'retry-after', val: 60_000n }],
    [503, undefined, { tag: 'release', val: 30_000n }],
    [404, 'http-404', { tag: 'reject' }],
    [500, 'http-500', { tag: 'retry' }],
  ];
  for (const [status, code, disposition] of ends) {
    const { failure } = await attempt(dispositions, { status });
    assert.deepEqual([failure.code, failure.disposition], [code, disposition]);
  }
});

test('progress', async () => {
  assert.deepEqual((await attempt(progress, { rows: 250 })).output, { rows: 250 });
  assert.deepEqual(host.progress.map((it) => Number(it.count)), [0, 100, 200, 250]);
});

test('resumable', async () => {
  const work = { steps: 5, fail_at: 3 };
  assert.match((await attempt(resumable, work)).failure.message, /as the payload asks/);
  const { output } = await attempt(resumable, work, { attempt: 2 });
  assert.deepEqual(output, { started_at: 3, sum: 15 });
});

test('pipeline', async () => {
  assert.equal((await attempt(pipeline, { text: 'one' })).failure.code, 'access-denied');
  host.queues = ['next'];
  assert.deepEqual((await attempt(pipeline, { text: 'one two!' })).output, { put: 2, found: 0 });
  assert.deepEqual(host.puts.map((it) => [it.queue, it.options?.priority]), [['next', 0], ['next', 10]]);
});

test('cancel', async () => {
  assert.deepEqual((await attempt(cancel, { pages: 3 })).output, { pages: 3 });
  assert.equal(host.lines.length, 3);
  host.cancelled = true;
  assert.equal((await attempt(cancel, { pages: 3 })).failure.disposition.tag, 'release');
});
