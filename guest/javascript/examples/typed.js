// A payload with a type, for editors; and a check of it, as a type is no more than a promise.
//
// `{"lines": [{"sku": "nail", "count": 100, "cents": 2}]}` gives `{"items": 100, "cents": 200}`.

import { Reject, handles } from '../mongoqueue/index.js';

/** @typedef {{ lines: { sku: string, count: number, cents: number }[] }} Order */

/** @param {any} payload @returns {payload is Order} */
function isOrder(payload) {
  const isLine = ({ sku, count, cents }) =>
    typeof sku === 'string' && Number.isInteger(count) && Number.isInteger(cents);
  return Array.isArray(payload?.lines) && payload.lines.every(isLine);
}

/** @param {import('../mongoqueue/index.js').Job} job */
function total({ payload }) {
  if (!isOrder(payload)) throw new Reject('no order', { code: 'bad-payload' });
  const sum = (of) => payload.lines.reduce((sum, line) => sum + of(line), 0);
  return { items: sum((line) => line.count), cents: sum((line) => line.count * line.cents) };
}

export const handler = handles(total);
