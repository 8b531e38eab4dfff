// Plants a fault in the Node consumer of `bench/peers/node`, which is not changed: `node --import ./plant.mjs consumer.mjs`.
//
// Node.js loads it in main and in each worker. FAULT says what and where, as the points of `consumer/src/kill.rs` do for
// exportpool's: "claimed" is the worker that has a task, "finished" is main that has its outcome.
//
//   main            main computes for 400 ms, after each of the tasks that FAULT_AT names, `150-153`
//   worker          a worker does, in each of them
//   leak            256 KiB of each task are kept for ever, in its worker's heap; leak-in-main: in main's
//   function        each task computes for 400 ms; function-in-main: main does, after it
//
// A slow store is the stand-in's: `exportctl aws --store-delay`.
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";

const BUSY_MS = 400;
const LEAKED = 256 * 1024;
const [first, last] = (process.env.FAULT_AT || "3-6").split("-").map(Number);

const kept = [];

function aBusyFunction() {
  const end = performance.now() + BUSY_MS;
  while (performance.now() < end);
}

// Doubles on V8's heap: a Buffer's bytes are elsewhere, where heap profilers do not look.
function aLeakingFunction() {
  kept.push(new Array(LEAKED / 8).fill(0.5));
}

const isOneOfFew = (task) => task >= first && task <= last;
const always = () => true;
const faults = {
  main: { point: "finished", tasks: isOneOfFew, hurt: aBusyFunction },
  worker: { point: "claimed", tasks: isOneOfFew, hurt: aBusyFunction },
  leak: { point: "claimed", tasks: always, hurt: aLeakingFunction },
  "leak-in-main": { point: "finished", tasks: always, hurt: aLeakingFunction },
  function: { point: "claimed", tasks: always, hurt: aBusyFunction },
  "function-in-main": { point: "finished", tasks: always, hurt: aBusyFunction },
};

const fault = faults[process.env.FAULT];
if (process.env.FAULT && !fault) throw new Error(`FAULT=${process.env.FAULT} is none of ${Object.keys(faults)}`);

const hurt = (task) => {
  if (fault.tasks(task)) fault.hurt();
};

// A task's number is the last of its file's name: `…/run-17?size=…`.
function plantInWorker() {
  const fetched = globalThis.fetch;
  globalThis.fetch = (url, ...more) => {
    hurt(Number(/-(\d+)\?/.exec(url)?.[1]));
    return fetched(url, ...more);
  };
}

function plantInMain() {
  const { Piscina } = createRequire(new URL("../peers/node/", import.meta.url))("piscina");
  const { run } = Piscina.prototype;
  let finished = 0;
  Piscina.prototype.run = async function (...task) {
    const outcome = await run.apply(this, task);
    hurt(++finished);
    return outcome;
  };
}

if (isMainThread && fault?.point === "finished") plantInMain();
if (!isMainThread && fault?.point === "claimed") plantInWorker();
