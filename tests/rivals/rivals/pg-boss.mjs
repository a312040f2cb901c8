import pg from "pg";
import PgBoss from "pg-boss";

export const packages = ["pg-boss"];
export const settings =
  "PostgreSQL, fsync and synchronous commit; four workers with batches of 5,000, polling twice a second";

export async function open({ postgres }, name) {
  const boss = new PgBoss({ connectionString: postgres, max: 10 });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  const pool = new pg.Pool({ connectionString: postgres, max: 1 });
  await boss.createQueue(name);
  return {
    putMany: (all) => boss.insert(all.map((data) => ({ name, data }))),
    put: (data) => boss.send(name, data),
    async work(handler) {
      const options = { batchSize: 5_000, pollingIntervalSeconds: 0.5 };
      const all = async (jobs) => jobs.forEach((job) => handler(job.data));
      for (let n = 0; n < 4; n += 1) {
        await boss.work(name, options, all);
      }
    },
    async left() {
      const sql = "SELECT count(*)::int AS n FROM pgboss.job WHERE name = $1 AND state < 'completed'";
      const { rows } = await pool.query(sql, [name]);
      return rows[0].n;
    },
    async close() {
      await boss.stop({ graceful: true, wait: true, timeout: 5_000 });
      await pool.end();
    },
  };
}
