// Processes: each is ended by its own id, and nothing but the search path of our environment is theirs.
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Refuses when `promise` takes longer. */
export function within(promise, ms, what) {
  const cancel = new AbortController();
  const late = sleep(ms, undefined, { signal: cancel.signal }).then(() => {
    throw new Error(`${what}: not within ${ms / 1_000} s`);
  });
  return Promise.race([promise, late]).finally(() => cancel.abort());
}

/** Asks every `every` ms until the answer is not undefined. */
export async function until(what, ms, ask, every = 50) {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`${what}: not within ${ms / 1_000} s`);
    await sleep(every);
  }
}

const running = new Set();

/** Kills what was started and has not ended, with what that has started. */
export function endAll() {
  for (const pid of [...running].flatMap((pid) => [pid, ...descendants(pid)])) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** Starts a program; what it says goes to `log`. `ended` is its code or signal. */
export function start(command, args, { environment, cwd, log }) {
  const env = { PATH: process.env.PATH, ...environment };
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child.pid);
  const file = createWriteStream(log);
  const out = [];
  child.stdout.on("data", (bytes) => out.push(bytes));
  child.stdout.pipe(file);
  child.stderr.pipe(file, { end: false });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child.pid);
      resolve(signal ?? code);
    });
  });
  ended.catch(() => {});
  return { child, pid: child.pid, ended, log, text: () => Buffer.concat(out).toString() };
}

export const isRunning = ({ child }) => child.exitCode === null && child.signalCode === null;

/** Asks it to stop, and kills it when it has not after a while. */
export async function stop(started, ms = 5_000) {
  if (!isRunning(started)) return;
  started.child.kill("SIGTERM");
  await within(started.ended, ms, "its end").catch(() => started.child.kill("SIGKILL"));
  await started.ended;
}

/** The processes that one has started, and theirs; none of one that has ended. */
export function descendants(pid) {
  const children = listed(`/proc/${pid}/task`).flatMap((task) => {
    const file = `/proc/${pid}/task/${task}/children`;
    return read(file).split(" ").filter(Boolean).map(Number);
  });
  return children.flatMap((child) => [child, ...descendants(child)]);
}

const orElse = (otherwise, work) => {
  try {
    return work();
  } catch {
    return otherwise;
  }
};
const listed = (folder) => orElse([], () => readdirSync(folder));
const read = (file) => orElse("", () => readFileSync(file, "utf8"));

/** CPU time so far in ms, of all threads of a process. */
export function cpuMs(pid) {
  const ticks = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  // utime and stime of proc(5), in hundredths of a second.
  return (Number(ticks[11]) + Number(ticks[12])) * 10;
}

export const commandLine = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
