// What is planted, what is sent, and where programs are: the same for both sides.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const list = (name) => process.env[name]?.split(",").filter(Boolean);

// In the midst of the load: Clinic's doctor looks at the part of it that seems to be one.
const FEW = "150-153";
// Memory in use is no leak: what rises is told from it in a quarter of a minute.
const LONG = 1_200;

/** What `fault` is in exportpool's consumer (`consumer/src/kill.rs`), and how many tasks are sent. */
export const FAULTS = {
  none: { tasks: 300, hurt: () => ({}) },
  main: { tasks: 300, hurt: () => ({ EXPORTPOOL_BUSY_AT: `finished:${FEW}` }), at: FEW },
  worker: { tasks: 300, hurt: () => ({ EXPORTPOOL_BUSY_AT: `claimed:${FEW}` }), at: FEW },
  leak: { tasks: LONG, hurt: (tasks) => ({ EXPORTPOOL_LEAK_AT: `claimed:1-${tasks}` }) },
  store: { tasks: 40, hurt: () => ({}), storeDelayMs: 1_500 },
  function: { tasks: 60, hurt: (tasks) => ({ EXPORTPOOL_BUSY_AT: `claimed:1-${tasks}` }) },
  "leak-in-main": { tasks: LONG, hurt: (tasks) => ({ EXPORTPOOL_LEAK_AT: `finished:1-${tasks}` }) },
  "function-in-main": { tasks: 60, hurt: (tasks) => ({ EXPORTPOOL_BUSY_AT: `finished:1-${tasks}` }) },
};

/** The tools by exportctl's names, and Clinic's for them. */
export const TOOLS = { doctor: "doctor", bubble: "bubbleprof", flame: "flame", heap: "heapprofiler" };

/** In place of a tool: a consumer that has no port for profiles, beside one whose port nobody asks. */
export const FORBIDDEN = "forbidden";

export const WORKERS = Number(process.env.WORKER_POOL_SIZE ?? 4);
/** The source's answer takes so long. */
export const DELAY_MS = Number(process.env.DELAY_MS ?? 50);
/** Of a load without a fault, to measure the overhead: what warms up, what is measured. */
export const OVERHEAD = {
  warmUp: Number(process.env.WARM_UP ?? 500),
  tasks: Number(process.env.TASKS ?? 2_000),
  delayMs: 0,
  rounds: Number(process.env.ROUNDS ?? 3),
};

export const selected = {
  parts: list("PARTS") ?? ["faults", "overhead"],
  sides: list("SIDES") ?? ["clinic", "exportctl"],
  tools: list("ONLY") ?? Object.keys(TOOLS),
  faults: list("FAULTS") ?? Object.keys(FAULTS),
};

/** No load and no page takes longer. */
export const LOAD_MS = 110_000;
export const PAGE_MS = 110_000;

const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../target");
const built = (name) => {
  const folders = [process.env.PROGRAMS, join(target, "release"), join(target, "debug")].filter(Boolean);
  const found = folders.map((folder) => join(folder, name)).find(existsSync);
  if (!found) throw new Error(`${name} is in none of ${folders}: \`make bench-consumer\` builds it`);
  return found;
};

export const paths = {
  clinic: join(here, "node_modules/clinic/bin.js"),
  peer: join(here, "../peers/node/consumer.mjs"),
  plant: join(here, "plant.mjs"),
  results: process.env.RESULTS ?? join(here, "results.ndjson"),
  get exportctl() {
    return built("exportctl");
  },
  get consumer() {
    return built("exportpool-consumer");
  },
  /** The consumer that can be hurt: `make kills`. */
  killable: process.env.KILLABLE ?? join(target, "kills/release/exportpool-consumer"),
};
