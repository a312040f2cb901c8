// A payload with a type; and a check of it, as a type is no more than a promise.
//
// `{"lines": [{"sku": "nail", "count": 100, "cents": 2}]}` gives `{"items": 100, "cents": 200}`.

import { Reject, handles, type Job } from '../mongoqueue/index.js';

interface Line {
  sku: string;
  count: number;
  cents: number;
}

interface Order {
  lines: Line[];
}

function isLine(line: Partial<Line>): line is Line {
  return typeof line.sku === 'string' && Number.isInteger(line.count) && Number.isInteger(line.cents);
}

function isOrder(payload: unknown): payload is Order {
  const { lines } = (payload ?? {}) as Partial<Order>;
  return Array.isArray(lines) && lines.every(isLine);
}

function total({ payload }: Job): { items: number; cents: number } {
  if (!isOrder(payload)) throw new Reject('no order', { code: 'bad-payload' });
  const sum = (of: (line: Line) => number) => payload.lines.reduce((sum, line) => sum + of(line), 0);
  return { items: sum((line) => line.count), cents: sum((line) => line.count * line.cents) };
}

export const handler = handles(total);
