// Measures the rivals in turns, then `cargo bench`, and prints one table: see `run`.

import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { start } from "./servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const ALL = ["graphile-worker", "pg-boss", "bullmq", "agenda"];

const options = {
  jobs: { type: "string", default: "20000" },
  runs: { type: "string", default: "3" },
  only: { type: "string", default: ALL.join(",") },
};
const { values } = parseArgs({ options });
const runs = Number(values.runs);
const names = values.only.split(",");
const unknown = names.filter((name) => !ALL.includes(name));
if (unknown.length > 0 || !(runs >= 1) || !(Number(values.jobs) >= 1)) {
  console.error(`--jobs and --runs are numbers; --only names some of ${ALL.join(", ")}`);
  process.exit(2);
}

const median = (all) => share(all, 0.5);
const share = (all, part) => {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
};
const rounded = (value) => Math.round(value).toLocaleString("en");

// A process of its own each time, so that none inherits the garbage of another.
function node(args, env) {
  const child = spawn(process.execPath, args, { cwd: here, env: { ...process.env, ...env } });
  return answer(child, args.join(" "));
}

function answer(child, what) {
  return new Promise((resolve, reject) => {
    let [out, said] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => (said += data));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) return resolve(JSON.parse(out.trim().split("\n").at(-1)));
      reject(new Error(`${what} ended with ${code}\n${said}`));
    });
  });
}

// Cargo's own server is there before it measures, and ends after.
function ours() {
  const of = ["--only", "drain,latency", "--json", "--jobs", values.jobs, "--runs", `${runs}`];
  const child = spawn("cargo", ["bench", "--", ...of], { cwd: join(here, "..", "..") });
  return answer(child, "cargo bench");
}

async function rivals() {
  const { servers, versions, stop } = await start();
  const env = { RIVALS_SERVERS: JSON.stringify(servers) };
  const results = Object.fromEntries(names.map((name) => [name, []]));
  try {
    for (let run = 0; run < runs; run += 1) {
      for (const name of names) {
        console.error(`${name}, run ${run + 1} of ${runs}`);
        results[name].push(await node(["measure.mjs", name, values.jobs], env));
      }
    }
  } finally {
    await stop();
  }
  return { results, versions };
}

const version = (name) =>
  JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).version;

function table(report, { results, versions }) {
  const figure = (part, name) =>
    report.parts.find((it) => it.name === part).figures.find((it) => it.name === name);
  const [rate, p50, p99] = [
    figure("drain", "native"), figure("latency", "p50"), figure("latency", "p99"),
  ];
  const { machine } = report;
  const lines = [
    `${machine.date}, ${machine.processor}, ${machine.cores} cores, ${machine.memory_gib} GiB, ` +
      `${machine.kernel}; MongoDB ${machine.server}, PostgreSQL ${versions.postgres}, ` +
      `Redis ${versions.redis}, Node.js ${versions.node}`,
    "",
    "| queue | drain, jobs/s: median (least–most) | ours / it | idle put to start, ms: p50 / p99 " +
      "| it / ours | settings |",
    "| --- | ---: | ---: | ---: | ---: | --- |",
    `| mongoqueue ${machine.version}, native | ${rounded(rate.median)} ` +
      `(${rounded(rate.least)}–${rounded(rate.most)}) | | ` +
      `${p50.median.toFixed(1)} / ${p99.median.toFixed(1)} | | ` +
      "put and settled at majority, with the journal |",
  ];
  for (const [name, all] of Object.entries(results)) {
    const rates = all.map((it) => it.rate);
    const waits = all.flatMap((it) => it.waits);
    const twice = all.reduce((sum, it) => sum + it.twice, 0);
    const [half, most] = [share(waits, 0.5), share(waits, 0.99)];
    const { packages, settings, jobs } = all[0];
    const few = jobs === Number(values.jobs) ? "" : `; ${rounded(jobs)} jobs`;
    const again = twice > 0 ? `; **${twice} jobs ran twice**` : "";
    lines.push(
      `| ${packages[0]} ${version(packages[0])} | ${rounded(median(rates))} ` +
        `(${rounded(Math.min(...rates))}–${rounded(Math.max(...rates))}) ` +
        `| ${(rate.median / median(rates)).toFixed(1)} | ${half.toFixed(1)} / ${most.toFixed(1)} ` +
        `| ${(half / p50.median).toFixed(1)} / ${(most / p99.median).toFixed(1)} ` +
        `| ${settings}${few}${again} |`,
    );
  }
  return lines.join("\n");
}

// Compiled before anything is measured.
execFileSync("cargo", ["bench", "--no-run"], { cwd: join(here, "..", ".."), stdio: "inherit" });
const measured = await rivals();
console.log(table(await ours(), measured));
