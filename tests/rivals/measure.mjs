// One rival, once, in a process of its own: `node measure.mjs NAME JOBS`, with the servers in
// RIVALS_SERVERS. Answers a JSON document.

import { setTimeout as sleep } from "node:timers/promises";

// As `cargo bench` has them: bytes of a payload, puts of a batch, puts to an idle worker.
const BYTES = 200;
const BATCH = 1_000;
const PUTS = 150;
const WARM_UP = 10;
// A job that has not begun by then never will.
const PATIENCE_MS = 120_000;

const [name, jobs] = process.argv.slice(2);
const servers = JSON.parse(process.env.RIVALS_SERVERS);
const rival = await import(`./rivals/${name}.mjs`);
const share = rival.share ?? 1;
const payload = (n) => ({ n, pad: "x".repeat(BYTES - 30) });

// Until the last job is settled. That is asked for only once its handler has run, so as not to be
// in the way.
async function drain(n) {
  const queue = await rival.open(servers, `drain${process.pid}`);
  for (let first = 0; first < n; first += BATCH) {
    const size = Math.min(BATCH, n - first);
    await queue.putMany(Array.from({ length: size }, (_, i) => payload(first + i)));
  }
  const seen = new Set();
  let twice = 0;
  const all = withResolvers();
  const began = performance.now();
  await queue.work((job) => {
    twice += seen.has(job.n) ? 1 : 0;
    seen.add(job.n);
    if (seen.size === n) all.resolve();
  });
  await within(all.promise, `${n} jobs have not all begun`);
  const settled = async () => {
    while ((await queue.left()) > 0) await sleep(2);
  };
  await within(settled(), `${n} jobs are not all settled`);
  const seconds = (performance.now() - began) / 1e3;
  await queue.close();
  return { rate: n / seconds, twice };
}

// From the call of a put to the start of its handler, with nothing else to do.
async function latency() {
  const queue = await rival.open(servers, `idle${process.pid}`);
  let begun = withResolvers();
  await queue.work(() => begun.resolve(performance.now()));
  const waits = [];
  for (let n = 0; n < WARM_UP + PUTS; n += 1) {
    begun = withResolvers();
    // At no fixed distance, so that polls are met at any moment.
    await sleep(20 + Math.random() * 30);
    const put = performance.now();
    await queue.put(payload(n));
    waits.push((await within(begun.promise, "an idle worker's job has not begun")) - put);
  }
  await queue.close();
  return waits.slice(WARM_UP);
}

function withResolvers() {
  const it = {};
  it.promise = new Promise((resolve) => (it.resolve = resolve));
  return it;
}

function within(promise, what) {
  const late = sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
    throw new Error(`${name}: ${what} after ${PATIENCE_MS} ms`);
  });
  return Promise.race([promise, late]);
}

const n = Math.max(1, Math.floor(Number(jobs) / share));
const drained = await drain(n);
const waits = await latency();
const { packages, settings } = rival;
console.log(JSON.stringify({ jobs: n, ...drained, waits, packages, settings }));
// Some keep timers that nobody waits for.
process.exit(0);
