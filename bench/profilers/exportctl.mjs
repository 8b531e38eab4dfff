// exportpool's consumer at work, alone or under one of exportctl's profiles.
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { freePort, start, stop, until, within } from "./process.mjs";
import { DELAY_MS, FAULTS, FORBIDDEN, LOAD_MS, PAGE_MS, WORKERS, paths } from "./settings.mjs";

const READY_MS = 60_000;
// In each pause what is live is told once at least.
const HEAP = { waves: 10, jobs: 30, pause: "3s" };

/** Profiles a consumer with `fault` in it: what is found, and the figures. */
export async function profile({ folder, tool, fault }) {
  const { tasks, hurt, storeDelayMs = 0 } = FAULTS[fault];
  const waves = tool === "heap" && fault !== "store" ? HEAP.waves : 1;
  const jobs = waves > 1 ? HEAP.jobs : tasks;
  const args = ["profile", tool, String(jobs), "--json", "--no-open", "--reports", folder, "--delay", `${DELAY_MS}ms`];
  args.push("--consumer", paths.killable, "--processing-wait", `${LOAD_MS / 1_000}s`);
  if (storeDelayMs > 0) args.push("--store-delay", `${storeDelayMs}ms`);
  if (tool === "heap") args.push("--waves", String(waves), "--pause", HEAP.pause);
  const environment = { ...hurt(jobs * waves), WORKER_POOL_SIZE: String(WORKERS), TMPDIR: folder };
  const started = start(paths.exportctl, args, { environment, cwd: folder, log: join(folder, "exportctl.log") });
  const code = await within(started.ended, LOAD_MS + PAGE_MS, "the profile").finally(() => stop(started));
  return { tasks: jobs * waves, ...told(code, folder, tool) };
}

/** Starts the consumer; with `tool`, profiles it from now on. */
export async function begin({ stage, folder, tool }) {
  const environment = { ...stage.environment, TMPDIR: folder, WORKER_POOL_SIZE: String(WORKERS), LOG_FORMAT: "json" };
  const [port, profiles] = [String(await freePort()), tool === FORBIDDEN ? "none" : String(await freePort())];
  Object.assign(environment, { PORT: port, PROFILE_PORT: profiles });
  const started = start(paths.consumer, [], { environment, cwd: folder, log: join(folder, "consumer.log") });
  const begun = { started, pid: started.pid, tool, folder };
  try {
    await until("the consumer", READY_MS, async () => (await isReady(port)) || undefined);
    if (tool && tool !== FORBIDDEN) begun.profile = await attach(begun);
  } catch (error) {
    await stop(started);
    throw error;
  }
  return begun;
}

const isReady = (port) => fetch(`http://127.0.0.1:${port}/ready`).then(
  (answer) => answer.ok,
  () => false,
);

async function attach({ pid, tool, folder }) {
  const args = ["profile", tool, "--attach", String(pid), "--duration", "10m", "--json", "--no-open", "--reports", folder];
  const profile = start(paths.exportctl, args, { cwd: folder, log: join(folder, "exportctl.log") });
  const isRecording = () => profile.child.exitCode !== null || existsSync(join(report(folder, tool) ?? folder, "profile.ndjson"));
  await until("the profile", READY_MS, () => isRecording() || undefined);
  return profile;
}

/** Ends the profile, then the consumer. */
export async function end({ started, profile, tool, folder }) {
  const begun = performance.now();
  try {
    if (!profile) return {};
    profile.child.kill("SIGINT");
    const code = await within(profile.ended, PAGE_MS, "the page");
    return { pageMs: Math.round(performance.now() - begun), ...told(code, folder, tool) };
  } catch (error) {
    return { failed: error.message };
  } finally {
    if (profile) await stop(profile);
    await stop(started);
  }
}

const report = (folder, tool) => {
  const name = readdirSync(folder).find((name) => name.startsWith(`${tool}-`));
  return name && join(folder, name);
};

/** What it found, the worst first; yellow and red are findings. */
function told(code, folder, tool) {
  const made = report(folder, tool);
  if (!made || !existsSync(join(made, "report.json"))) {
    const why = readFileSync(join(folder, "exportctl.log"), "utf8").trim().split("\n")[0];
    return { failed: /unrecognized subcommand/.test(why) ? "not there" : `exit code ${code}: ${why}` };
  }
  const { verdict, diagnoses, figures } = JSON.parse(readFileSync(join(made, "report.json"), "utf8"));
  const found = diagnoses.map(({ ailment, zone, evidence, stack }) => ({ ailment, zone, evidence, stack }));
  const names = found.filter(({ zone }) => zone !== "green").map(({ ailment }) => ailment);
  return {
    code,
    says: names.length > 0 ? [...new Set(names)].join(", ") : verdict,
    found,
    figures,
    pageBytes: statSync(join(made, "report.html")).size,
    dataBytes: statSync(join(made, "profile.ndjson")).size,
  };
}
