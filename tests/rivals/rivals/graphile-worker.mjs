import { Logger, makeWorkerUtils, run } from "graphile-worker";

export const packages = ["graphile-worker"];
export const settings =
  "PostgreSQL, fsync and synchronous commit; local queue of 500, completions in batches; 24 at once";

export async function open({ postgres }, name) {
  const logger = new Logger(() => () => {});
  const worker = {
    connectionString: postgres,
    concurrentJobs: 24,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    maxPoolSize: 30,
  };
  const preset = { worker };
  const utils = await makeWorkerUtils({ preset, logger });
  await utils.migrate();
  let runner;
  return {
    putMany: (all) => utils.addJobs(all.map((payload) => ({ identifier: name, payload }))),
    put: (payload) => utils.addJob(name, payload),
    async work(handler) {
      const taskList = { [name]: async (payload) => handler(payload) };
      runner = await run({ preset, taskList, logger, noHandleSignals: true });
    },
    async left() {
      const sql = "SELECT count(*)::int AS n FROM graphile_worker._private_jobs";
      const { rows } = await utils.withPgClient((client) => client.query(sql));
      return rows[0].n;
    },
    async close() {
      await runner?.stop();
      await utils.release();
    },
  };
}
