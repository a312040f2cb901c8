import { MongoBackend, MongoChangeStreamNotificationChannel } from "@agendajs/mongo-backend";
import { Agenda } from "agenda";
import { MongoClient } from "mongodb";

export const packages = ["agenda", "@agendajs/mongo-backend"];
export const settings = "MongoDB, majority; change stream; 100 at once";
// It takes the jobs one by one, and gets no faster with more of them.
export const share = 20;

export async function open({ mongodb }, name) {
  const client = await MongoClient.connect(mongodb, { writeConcern: { w: "majority" } });
  const db = client.db(name);
  const agenda = new Agenda({
    backend: new MongoBackend({ mongo: db }),
    notificationChannel: new MongoChangeStreamNotificationChannel({ db }),
    processEvery: 100,
    maxConcurrency: 1_000,
    defaultConcurrency: 100,
    removeOnComplete: true,
  });
  agenda.on("error", (error) => console.error(error));
  return {
    putMany: (all) => Promise.all(all.map((data) => agenda.now("job", data))),
    put: (data) => agenda.now("job", data),
    async work(handler) {
      agenda.define("job", async (job) => handler(job.attrs.data));
      await agenda.start();
    },
    left: () => db.collection("agendaJobs").countDocuments(),
    async close() {
      await agenda.stop();
      await db.dropDatabase();
      await client.close();
    },
  };
}
