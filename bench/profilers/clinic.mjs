// The Node consumer at work, alone or under one of Clinic's tools.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { commandLine, descendants, freePort, isRunning, start, stop, until, within } from "./process.mjs";
import { FAULTS, PAGE_MS, TOOLS, WORKERS, paths } from "./settings.mjs";
import { verdicts } from "./verdict.mjs";

const READY_MS = 60_000;
// What ends the consumer so that the tool has its data. Bubbleprof waits for ever for its own file to be closed when that is
// SIGINT; the others lose what they have when the consumer ends itself, as it does at SIGTERM.
const ENDS = { bubbleprof: "SIGTERM" };
// Nothing beyond this machine is asked.
const QUIET = { NO_INSIGHT: "1", NO_UPDATE_NOTIFIER: "1" };

/** Starts it with `fault` planted; `tool` is one of exportctl's names, or undefined. */
export async function begin({ stage, folder, tool, fault }) {
  const name = TOOLS[tool];
  const port = String(await freePort());
  const consumer = ["--import", paths.plant, paths.peer];
  const args = name ? [paths.clinic, name, "--no-open", "--dest", folder, "--", "node", ...consumer] : consumer;
  const environment = { ...stage.environment, ...QUIET, HOME: folder, PORT: port, WORKER_POOL_SIZE: String(WORKERS) };
  if (fault) Object.assign(environment, { FAULT: fault, FAULT_AT: FAULTS[fault].at ?? "" });
  const started = start("node", args, { environment, cwd: folder, log: join(folder, "consumer.log") });
  const alive = async () => (await answers(port)) || undefined;
  await until("the consumer", READY_MS, alive).catch(async (error) => {
    await stop(started);
    throw error;
  });
  const isConsumer = (pid) => commandLine(pid).includes(paths.peer);
  const pid = name ? descendants(started.pid).find(isConsumer) : started.pid;
  return { started, pid, name, folder };
}

const answers = (port) => fetch(`http://127.0.0.1:${port}/`).then(
  (answer) => answer.ok,
  () => false,
);

/** Ends the consumer; with a tool, its page and what that says. */
export async function end({ started, pid, name, folder }) {
  const begun = performance.now();
  const signalled = sends(pid, ENDS[name] ?? "SIGINT");
  try {
    const code = await within(started.ended, PAGE_MS, "the page");
    if (!signalled) throw new Error(`the consumer ended in the load: ${why(started, code)}`);
    return name ? await page(started, code, { name, folder, begun }) : {};
  } catch (error) {
    return { failed: error.message };
  } finally {
    // Also what a tool has left running.
    if (isRunning(started)) sends(pid, "SIGKILL");
    await stop(started);
  }
}

/** Whether the process was there to receive it. */
function sends(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

async function page(started, code, { name, folder, begun }) {
  const pageMs = Math.round(performance.now() - begun);
  const file = readdirSync(folder).find((file) => file.endsWith(".html"));
  if (code !== 0 || !file) return { failed: `no page: ${why(started, code)}` };
  const html = join(folder, file);
  const data = html.replace(/\.html$/, "");
  const found = await Promise.resolve()
    .then(() => verdicts[name]({ html, data }))
    .catch((error) => ({ failed: `the page is not understood: ${error.message}` }));
  const isCutOff = readFileSync(started.log, "utf8").includes("There was a decoding error");
  return { pageMs, pageBytes: statSync(html).size, dataBytes: bytes(data), ...(isCutOff && { isCutOff }), ...found };
}

/** Its last error; the consumer's own are the stops of its polls. */
function why({ log }, code) {
  const errors = readFileSync(log, "utf8").match(/^(?!SQSError|AbortError)(\w*Error|FATAL ERROR|#)\b.*$/gm);
  return `${errors?.at(-1)?.slice(0, 200) ?? "it says nothing"} (${code})`;
}

function bytes(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, file) => sum + bytes(join(path, file)), 0);
}
