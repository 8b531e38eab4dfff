// The results as tables. Where a run is there more than once, all that was said is told; of figures, the median.
import { readFileSync } from "node:fs";
import { FAULTS, FORBIDDEN, TOOLS } from "./settings.mjs";

const BUSY = /a_?busy_?function/i;
const LEAKING = /a_?leaking_?function/i;

// What has to be said of a fault, and not of the healthy run. Clinic's doctor knows four words; its other tools have no
// verdict, and are taken at what they show first.
const CLINIC = {
  main: { doctor: /^event-loop$/, flame: BUSY },
  worker: { doctor: /^event-loop$/, flame: BUSY },
  leak: { doctor: /^gc$/, heap: LEAKING },
  store: { doctor: /^io$/, bubble: /s3|put|store/i },
  function: { doctor: /^event-loop$/, flame: BUSY },
};
// What exportctl finds is an ailment, and where its stack or its evidence has to name a function, that one.
const EXPORTCTL = {
  main: { doctor: [/^blockedMain$/, BUSY], flame: [/^function$/, BUSY] },
  worker: { doctor: [/^blockedWorker$/, BUSY], flame: [/^function$/, BUSY] },
  leak: { doctor: [/^leak$/], heap: [/^leak$/, LEAKING] },
  store: { bubble: [/^slowStore$/] },
  function: { flame: [/^function$/, BUSY], doctor: [/^blockedWorker$/, BUSY] },
  "function-in-main": { flame: [/^function$/, BUSY], doctor: [/^blockedMain$/, BUSY] },
};
const kind = (fault) => fault.replace("-in-main", "");
const says = (rule) => (run) => rule.test(run.says ?? "");
const finds = ([ailment, named]) => ({ found = [] }) =>
  found.some((each) => each.zone !== "green" && ailment.test(each.ailment) && (!named || names(each, named)));
const names = ({ evidence, stack = [] }, named) => [evidence, ...stack].some((text) => named.test(text));
const rules = {
  clinic: (fault, tool) => CLINIC[kind(fault)]?.[tool] && says(CLINIC[kind(fault)][tool]),
  exportctl: (fault, tool) => {
    const rule = (EXPORTCTL[fault] ?? EXPORTCTL[kind(fault)])?.[tool];
    return rule && finds(rule);
  },
};

export function tables(file) {
  const runs = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  for (const side of ["clinic", "exportctl"]) {
    const own = runs.filter((run) => run.side === side);
    faults(side, own.filter((run) => run.part === "faults"));
    overhead(side, own.filter((run) => run.part === "overhead"));
  }
}

function faults(side, runs) {
  if (runs.length === 0) return;
  const of = (tool, fault) => runs.filter((run) => run.tool === tool && run.fault === fault);
  const tools = Object.keys(TOOLS);
  const head = tools.map((tool) => (side === "clinic" ? TOOLS[tool] : tool));
  const row = (fault) => {
    const cells = tools.map((tool) => cell(of(tool, fault), of(tool, "none"), rules[side](fault, tool)));
    return `| ${[fault, ...cells].join(" | ")} |`;
  };
  const lines = [`| ${[side, ...head].join(" | ")} |`, `|${"---|".repeat(tools.length + 1)}`];
  print([...lines, ...Object.keys(FAULTS).map(row)]);
}

/** What is said; bold where it is the fault, and is not said of the healthy run. */
function cell(runs, healthy, rule) {
  const isFound = (run) => rule && !run.failed && rule(run);
  const isSaidAnyway = healthy.some(isFound);
  const said = runs.map((run) => {
    const text = run.failed ?? words(run);
    return isFound(run) && !isSaidAnyway ? `**${text}**` : text;
  });
  return [...new Set(said)].join("; ");
}

const words = ({ says, share }) => (share === undefined ? `${says}` : `${says} ${(share * 100).toFixed(0)} %`);

function overhead(side, runs) {
  if (runs.length === 0) return;
  const of = (tool) => {
    const own = runs.filter((run) => run.tool === tool);
    const all = (field) => own.map((run) => run[field]).filter((value) => value !== undefined);
    const failed = all("failed").at(-1);
    const figures = ["perSecond", "cpuMsPerTask", "pageBytes", "pageMs"].map((field) => median(all(field)));
    return { tool, failed, figures };
  };
  const [bare] = of("none").figures.length ? [of("none")] : [];
  const row = ({ tool, failed, figures: [rate, cpu, size, ms] }) => {
    const than = (value, base) => (value && base ? ` (${percent(value / base - 1)})` : "");
    const cells = [
      `${number(rate, 1)}${than(rate, bare.figures[0])}`,
      `${number(cpu, 2)}${than(cpu, bare.figures[1])}`,
      number(size && size / 1024, 0),
      number(ms && ms / 1_000, 1),
      failed ?? "",
    ];
    return `| ${[NO_TOOL[tool] ?? tool, ...cells].join(" | ")} |`;
  };
  const head = `| ${side} | tasks a second | CPU a task, ms | page, KiB | end of load to page, s | failed |`;
  const tools = ["none", ...(side === "exportctl" ? [FORBIDDEN] : []), ...Object.keys(TOOLS)];
  print([head, `|${"---|".repeat(6)}`, ...tools.map((tool) => row(of(tool)))]);
}

const NO_TOOL = { none: "no tool", [FORBIDDEN]: "no tool, and no port for one" };
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const number = (value, digits) => (value === undefined ? "" : value.toFixed(digits));
const percent = (share) => `${share > 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(0)} %`;
const print = (lines) => console.log(`${lines.join("\n")}\n`);
