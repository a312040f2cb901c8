// The servers of the rivals: private ones in a folder that goes in the end, and as durable as they
// are by default or more so.

import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import pg from "pg";

const PATIENCE_MS = 30_000;

export async function start() {
  const folder = mkdtempSync(join(tmpdir(), "rivals-"));
  // PostgreSQL's own user looks into it.
  chmodSync(folder, 0o755);
  const children = [];
  const run = (...args) => children.push(spawnQuiet(...args));
  const stop = async () => {
    await Promise.all(children.map(ended));
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("SIGINT", () => stop().finally(() => process.exit(130)));
  try {
    const servers = {
      redis: await redis(folder, run),
      postgres: await postgres(folder, run),
      mongodb: await mongodb(folder, run),
    };
    return { servers, versions: versions(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function redis(folder, run) {
  const socket = join(folder, "redis.sock");
  const durable = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""];
  run("redis-server", ["--port", "0", "--unixsocket", socket, "--dir", folder, ...durable]);
  await until("redis-server", () => existsSync(socket));
  return socket;
}

async function postgres(folder, run) {
  const data = join(folder, "postgres");
  const port = await freePort();
  // It refuses to run as root.
  const root = process.getuid() === 0;
  const user = root ? { uid: id("-u", "postgres"), gid: id("-g", "postgres") } : {};
  if (root) {
    mkdirSync(data);
    chownSync(data, user.uid, user.gid);
  }
  const options = { ...user, cwd: folder, stdio: "ignore" };
  execFileSync(program("initdb"), ["-D", data, "-A", "trust", "-U", "postgres"], options);
  const durable = ["-c", "fsync=on", "-c", "synchronous_commit=on"];
  const here = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
  run(program("postgres"), ["-D", data, "-p", `${port}`, ...here, ...durable], options);
  const uri = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await until("postgres", async () => {
    const client = new pg.Client(uri);
    await client.connect();
    await client.end();
    return true;
  });
  return uri;
}

async function mongodb(folder, run) {
  const data = join(folder, "mongodb");
  mkdirSync(data);
  const port = await freePort();
  const here = ["--bind_ip", "127.0.0.1", "--port", `${port}`, "--replSet", "rivals"];
  const forgets = ["--setParameter", "minSnapshotHistoryWindowInSeconds=0"];
  run(mongod(), ["--dbpath", data, "--wiredTigerCacheSizeGB", "2", ...forgets, ...here]);
  const uri = `mongodb://127.0.0.1:${port}`;
  await until("mongod", async () => {
    const client = await MongoClient.connect(`${uri}/?directConnection=true`);
    const admin = client.db("admin");
    const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
    await admin.command({ replSetInitiate: { _id: "rivals", members } }).catch(() => {});
    const hello = await admin.command({ hello: 1 });
    await client.close();
    return hello.isWritablePrimary;
  });
  return `${uri}/?replicaSet=rivals`;
}

// That of MONGOD, of the path, or the one that the tests have fetched.
function mongod() {
  const cache = join(homedir(), ".cache", "mongoqueue");
  const fetched = existsSync(cache) ? readdirSync(cache).filter((it) => it.startsWith("mongod-")) : [];
  const all = [process.env.MONGOD, ...inPath("mongod"), ...fetched.map((it) => join(cache, it))];
  const found = all.find((it) => it && existsSync(it));
  if (!found) throw new Error("no mongod: set MONGOD, or run the tests once, which fetch one");
  return found;
}

// Debian keeps PostgreSQL's server outside of the path.
function program(name) {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => b - a) : [];
  const all = [...inPath(name), ...versions.map((it) => join(debian, it, "bin", name))];
  const found = all.find((it) => existsSync(it));
  if (!found) throw new Error(`no ${name}: apt-get install postgresql`);
  return found;
}

const inPath = (name) => process.env.PATH.split(":").map((folder) => join(folder, name));
const id = (of, user) => Number(execFileSync("id", [of, user]));
const firstLine = (command, args) => `${execFileSync(command, args)}`.split("\n")[0].trim();

function versions() {
  return {
    redis: firstLine("redis-server", ["--version"]).match(/v=(\S+)/)?.[1],
    postgres: firstLine(program("postgres"), ["--version"]).match(/\d[\d.]*/)?.[0],
    mongod: firstLine(mongod(), ["--version"]).match(/v(\d\S*)/)?.[1],
    node: process.versions.node,
  };
}

function spawnQuiet(command, args, options = {}) {
  const child = spawn(command, args, { stdio: "ignore", ...options });
  child.on("error", (error) => console.error(`${command}: ${error.message}`));
  return child;
}

async function ended(child) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  // Quick, for a PostgreSQL that has clients too.
  child.kill("SIGINT");
  await exit;
}

async function until(what, ready) {
  let last = "it says nothing";
  for (const began = performance.now(); performance.now() - began < PATIENCE_MS; await sleep(50)) {
    try {
      if (await ready()) return;
    } catch (error) {
      last = error.message;
    }
  }
  throw new Error(`${what} did not start: ${last}`);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
