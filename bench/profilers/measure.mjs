// The runs: with a fault, to see what is found; without one, to see what being profiled costs.
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as clinic from "./clinic.mjs";
import * as exportctl from "./exportctl.mjs";
import { cpuMs } from "./process.mjs";
import { DELAY_MS, FAULTS, FORBIDDEN, LOAD_MS, OVERHEAD, TOOLS, paths, selected } from "./settings.mjs";
import { Stage } from "./stage.mjs";

const SIDES = { clinic, exportctl };

/** Does what was selected; each run is a line of the results. */
export async function measure() {
  if (selected.parts.includes("faults")) await faults();
  if (selected.parts.includes("overhead")) await overhead();
}

async function faults() {
  for (const fault of selected.faults) {
    for (const tool of selected.tools) {
      for (const side of selected.sides) await noted({ part: "faults", side, tool, fault }, RUNS[side]);
    }
  }
}

const RUNS = {
  exportctl: (folder, { tool, fault }) => exportctl.profile({ folder, tool, fault }),
  clinic: (folder, { tool, fault }) => {
    const { tasks, storeDelayMs } = FAULTS[fault];
    // Nothing is planted where there is no fault, or where it is the stand-in's.
    const planted = fault === "none" || storeDelayMs ? undefined : fault;
    return onStage(folder, { storeDelayMs }, (stage) =>
      worked(clinic, { stage, folder, tool, fault: planted }, [{ tasks, delayMs: DELAY_MS }]),
    );
  },
};

async function overhead() {
  const tools = { clinic: [undefined, ...selected.tools], exportctl: [undefined, FORBIDDEN, ...selected.tools] };
  for (let round = 1; round <= OVERHEAD.rounds; round++) {
    for (const side of selected.sides) {
      for (const tool of tools[side]) await noted({ part: "overhead", side, tool: tool ?? "none", round }, costs(side, tool));
    }
  }
}

const costs = (side, tool) => (folder) => {
  const { warmUp, tasks, delayMs } = OVERHEAD;
  const loads = [warmUp, tasks].map((tasks) => ({ tasks, delayMs }));
  return onStage(folder, {}, (stage) => worked(SIDES[side], { stage, folder, tool }, loads));
};

/** Begins, sends each load when the one before is done, and ends; the figures are the last load's. */
async function worked(side, setup, loads) {
  const begun = await side.begin(setup);
  let figures;
  try {
    for (const load of loads) figures = await sent(setup.stage, begun.pid, load);
  } catch (error) {
    figures = { failed: error.message };
  }
  // Why a page is not there says more than that the load did not end.
  return { ...figures, ...(await side.end(begun)) };
}

async function sent(stage, pid, load) {
  const run = `profilers${Date.now().toString(36)}`;
  const [cpu, begun] = [cpuMs(pid), performance.now()];
  await stage.send({ run, ...load });
  await stage.drained(LOAD_MS);
  const seconds = (performance.now() - begun) / 1_000;
  const { tasks } = load;
  return { tasks, seconds, perSecond: tasks / seconds, cpuMsPerTask: (cpuMs(pid) - cpu) / tasks };
}

async function onStage(folder, options, work) {
  const stage = await Stage.set(paths.exportctl, folder, options);
  try {
    return await work(stage);
  } finally {
    await stage.strike();
  }
}

/** A run in a folder of its own; what fails is an outcome too. */
async function noted(run, work) {
  const folder = mkdtempSync(join(tmpdir(), "exportpool-profilers-"));
  const began = performance.now();
  const outcome = await Promise.resolve(work(folder, run)).catch((error) => ({ failed: error.message }));
  const line = { ...run, clinic: TOOLS[run.tool], ...outcome, wholeSeconds: (performance.now() - began) / 1_000 };
  appendFileSync(paths.results, `${JSON.stringify(line)}\n`);
  const { part, side, tool, fault = "" } = run;
  console.error(`${part} ${side} ${tool} ${fault}: ${line.failed ?? line.says ?? `${line.perSecond?.toFixed(1)}/s`}`);
  if (process.env.KEEP) console.error(`  ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
