import { Queue, Worker } from "bullmq";

export const packages = ["bullmq"];
export const settings = "Redis, AOF every second: a crash may lose the last one; 64 at once";

export async function open({ redis }, name) {
  const connection = { path: redis };
  const queue = new Queue(name, { connection });
  const job = (data) => ({ name: "job", data, opts: { removeOnComplete: true } });
  let worker;
  return {
    putMany: (all) => queue.addBulk(all.map(job)),
    put: (data) => queue.add("job", data, { removeOnComplete: true }),
    async work(handler) {
      worker = new Worker(name, async (job) => handler(job.data), { connection, concurrency: 64 });
      await worker.waitUntilReady();
    },
    left: () => queue.getJobCountByTypes("waiting", "active", "delayed", "prioritized"),
    async close() {
      await worker?.close();
      await queue.close();
    },
  };
}
