"use strict";
// Draws the graph of the page, and opens its steps and messages in place.
(() => {
  const { groups, lines, messages, pathMicros } = JSON.parse(document.getElementById("data").textContent).bubble;
  const [graph, plane, handles, measure, drill, head, body, close, status] =
    ["bubbles", "plane", "handles", "measure", "drill", "drill-head", "drill-body", "close", "told"].map((id) => document.getElementById(id));
  const svg = plane.querySelector("svg");
  const NARROWEST = 92; // A step has room for its name, in units of the drawing.
  const WIDTH = 1000;
  const LARGEST = 110; // A bubble's radius.
  const SMALLEST = 3;
  const LEAST_GAP = 0.01; // A gap with less of the time has no bubble; the table has it.
  const COLOURS = 9; // As the charts below have them, in the same order.
  const names = {
    receive: "receive", admit: "admit", wait: "wait for a slot", claim: "claim", connect: "connect", firstByte: "first byte",
    body: "body", store: "store", record: "record", acknowledge: "acknowledge",
  };
  const colour = new Map(groups.map(({ step }, at) => [step, `var(--line-${at % COLOURS})`]));
  // A task that waited in vain was handed over, or given back.
  const without = (step) => (step === "wait" ? "without a slot" : "failed");
  const time = (micros) => (micros < 1e6 ? `${(micros / 1e3).toFixed(1)} ms` : `${(micros / 1e6).toFixed(2)} s`);
  const percent = (part, all) => `${(all ? (100 * part) / all : 0).toFixed(1)} %`;
  const element = (name, facts = {}, ...inner) => {
    const made = document.createElement(name);
    for (const [fact, value] of Object.entries(facts)) made.setAttribute(fact, value);
    made.append(...inner);
    return made;
  };
  const drawn = (name, facts, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [fact, value] of Object.entries(facts)) made.setAttribute(fact, value);
    if (text != null) made.textContent = text;
    return made;
  };
  const table = (heads, rows, name) => element("table", name ? { class: name } : {},
    element("thead", {}, element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows));

  // --- The graph: steps in a row, and gaps between them.
  const isPath = () => measure.value === "path";
  const value = (group) => (isPath() ? group.pathMicros : group.totalMicros);
  const gap = (before, after) => lines.find((line) => line.before === before && line.after === after)?.gapMicros ?? 0;
  const nodes = () => groups.flatMap((group, at) => {
    const next = groups[at + 1];
    const micros = next && isPath() ? gap(group.step, next.step) : 0;
    const step = { step: group.step, group, micros: value(group) };
    return micros > LEAST_GAP * pathMicros ? [step, { micros, between: [group.step, next.step] }] : [step];
  });
  // As large as fits: the area is time.
  const laid = (row) => {
    const room = Math.max(WIDTH, NARROWEST * row.length * 1.1);
    const radius = (node, scale) => Math.max(SMALLEST, scale * Math.sqrt(node.micros));
    const width = (node, scale) => Math.max(NARROWEST, 2 * radius(node, scale) + 16);
    const most = Math.sqrt(Math.max(1, ...row.map((node) => node.micros)));
    let [low, high] = [0, LARGEST / most];
    for (let turn = 0; turn < 30; turn++) {
      const scale = (low + high) / 2;
      if (row.reduce((sum, node) => sum + width(node, scale), 0) > room) high = scale;
      else low = scale;
    }
    const spare = (room - row.reduce((sum, node) => sum + width(node, low), 0)) / row.length;
    let x = 0;
    for (const node of row) {
      const w = width(node, low) + spare;
      Object.assign(node, { r: radius(node, low), x: x + w / 2, w });
      x += w;
    }
    return room;
  };
  // A line to the next one is straight; others are arcs above the bubbles.
  const over = (from, to) => 8 + 6 * Math.abs(to.at - from.at);
  const isNext = (from, to) => from.at + 1 === to.at || (from.at + 2 === to.at && from.gapNext);
  const line = (row, from, to, y, count) => {
    const stroke = Math.min(1 + Math.log10(Math.max(1, count)), 6).toFixed(1);
    const head = (x, tip, angle) => drawn("path", { class: "arrow", d: "M0 0L-9 -4.5L-9 4.5Z", transform: `translate(${x} ${tip}) rotate(${angle})` });
    if (isNext(from, to)) {
      const [start, end] = [from.x + from.r, to.x - to.r - 2];
      return [drawn("path", { class: "line", "stroke-width": stroke, d: `M${start} ${y}H${end - 7}` }), head(end, y, 0)];
    }
    // Over all bubbles in between, and further the further it goes: the curve is highest at three quarters of its handles.
    const between = row.slice(Math.min(from.at, to.at), Math.max(from.at, to.at) + 1);
    const peak = y - Math.max(...between.map(({ r }) => r)) - over(from, to);
    const high = (peak - (2 * y - from.r - to.r) / 8) / 0.75;
    const tip = y - to.r - 2;
    return [
      drawn("path", { class: "line", "stroke-width": stroke, d: `M${from.x} ${y - from.r}C${from.x} ${high} ${to.x} ${high} ${to.x} ${tip - 7}` }),
      head(to.x, tip, 90),
    ];
  };
  const draw = () => {
    const row = nodes();
    const room = laid(row);
    row.forEach((node, at) => Object.assign(node, { at, gapNext: Boolean(row[at + 1]?.between) }));
    const at = new Map(row.filter((node) => node.step).map((node) => [node.step, node]));
    const largest = Math.max(20, ...row.map((node) => node.r));
    const joined = lines.map(({ before, after, count }) => ({ from: at.get(before), to: at.get(after), count }))
      .filter(({ from, to, count }) => from && to && from !== to && count);
    const arcs = joined.filter(({ from, to }) => !isNext(from, to));
    const y = largest + Math.max(8, ...arcs.map(({ from, to }) => over(from, to) + 4));
    const text = y + largest + 20;
    const height = text + (groups.some(({ failures }) => failures) ? 60 : 42);
    svg.setAttribute("viewBox", `0 0 ${room} ${height}`);
    const parts = joined.flatMap(({ from, to, count }) => line(row, from, to, y, count));
    const all = isPath() ? pathMicros : groups.reduce((sum, group) => sum + group.totalMicros, 0);
    for (const node of row) {
      const circle = { cx: node.x, cy: y, r: node.r };
      const paint = colour.get(node.step);
      parts.push(node.step
        ? drawn("circle", { ...circle, style: `fill: ${paint}; fill-opacity: .55; stroke: ${paint}; stroke-width: 1.5` })
        : drawn("circle", { ...circle, class: "gap" }));
      parts.push(drawn("text", { x: node.x, y: text }, node.step ? names[node.step] : "no operation"));
      parts.push(drawn("text", { x: node.x, y: text + 17, class: "faint" }, time(node.micros)));
      parts.push(drawn("text", { x: node.x, y: text + 33, class: "faint" }, percent(node.micros, all)));
      if (node.group?.failures) parts.push(drawn("text", { x: node.x, y: text + 50, class: "bad" }, `${node.group.failures} ${without(node.step)}`));
    }
    svg.replaceChildren(...parts);
    // What is pressed is a button over each bubble and its name.
    for (const button of handles.children) {
      const node = at.get(button.dataset.step);
      const wide = Math.max(2 * node.r, NARROWEST - 8);
      const tall = height - (y - node.r) - 2;
      Object.assign(button.style, {
        left: `${(100 * (node.x - wide / 2)) / room}%`, width: `${(100 * wide) / room}%`,
        top: `${(100 * (y - node.r)) / height}%`, height: `${(100 * tall) / height}%`,
      });
      const { count, failures, p50Micros, p95Micros, maxMicros } = node.group;
      const failed = failures ? `, ${failures} ${without(node.step)}` : "";
      const told = `${names[node.step]}: ${time(node.micros)}, ${percent(node.micros, all)} of ${isPath() ? "critical paths" : "all operations"}; ${count} operations${failed}; p50 ${time(p50Micros)}, p95 ${time(p95Micros)}, max ${time(maxMicros)}`;
      button.setAttribute("aria-label", told);
      button.title = told;
    }
  };

  // --- A message: its operations over time, in a row of its own below what opened it.
  const waterfall = (message) => {
    const all = Math.max(message.micros, ...message.rows.map(([, , from, micros]) => from + micros), 1);
    const rows = message.rows.map(([task, step, from, micros, failed, isCritical]) => {
      const bar = element("i", {});
      Object.assign(bar.style, { left: `${(100 * from) / all}%`, width: `${(100 * micros) / all}%`, background: colour.get(step) });
      return element("tr", isCritical ? {} : { class: "aside" },
        element("td", {}, names[step]),
        element("td", {}, task == null ? "message" : `task ${task}`),
        element("td", {}, time(from)),
        element("td", failed ? { class: "bad" } : {}, time(micros) + (failed ? `, ${without(step)}` : "")),
        element("td", {}, isCritical ? "yes" : "no"),
        element("td", { class: "bar", "aria-hidden": "true" }, bar));
    });
    const rest = message.leftOut ? `; ${message.leftOut} more operations are left out` : "";
    return [
      element("p", { class: "note" }, `Message ${message.message} took ${time(message.micros)}, for ${message.tasks} ${message.tasks === 1 ? "task" : "tasks"}, and began at ${time(message.fromMicros)}${rest}.`),
      table(["step", "for", "begins after", "takes", "critical", "over time"], rows, "rows"),
    ];
  };
  const toggle = (button) => {
    const row = button.closest("tr");
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) return row.nextElementSibling.remove();
    const message = messages.find(({ message }) => String(message) === button.dataset.message);
    const cell = element("td", { colspan: row.children.length });
    if (message) cell.append(...waterfall(message));
    row.after(element("tr", { class: "opened" }, cell));
    status.textContent = `Message ${button.dataset.message} is open below.`;
  };

  // --- A step: its slowest operations.
  let opened = null;
  const closed = () => {
    opened?.setAttribute("aria-expanded", "false");
    drill.hidden = true;
    opened = null;
  };
  const open = (button) => {
    if (button === opened) return closed();
    closed();
    opened = button;
    button.setAttribute("aria-expanded", "true");
    const group = groups.find(({ step }) => step === button.dataset.step);
    const { step, count, slowest } = group;
    head.textContent = `${names[step]}: the slowest of ${count} operations`;
    body.replaceChildren(table(["message", "task", "began at", "took", "times the median"], slowest.map((slow) => element("tr", {},
      element("th", { scope: "row" }, element("button", { type: "button", class: "opens", "data-message": slow.message, "aria-expanded": "false" }, `message ${slow.message}`)),
      element("td", {}, slow.task == null ? "–" : String(slow.task)),
      element("td", {}, time(slow.fromMicros)),
      element("td", slow.failed ? { class: "bad" } : {}, time(slow.micros) + (slow.failed ? `, ${without(step)}` : "")),
      element("td", {}, group.p50Micros ? (slow.micros / group.p50Micros).toFixed(1) : "–")))));
    drill.hidden = false;
    status.textContent = `${head.textContent}, open below the graph.`;
  };

  for (const { step } of groups) {
    const button = element("button", { type: "button", "data-step": step, "aria-expanded": "false", "aria-controls": "drill" });
    button.addEventListener("click", () => open(button));
    handles.append(button);
  }
  close.addEventListener("click", () => {
    const last = opened;
    closed();
    last?.focus();
  });
  document.querySelector("main").addEventListener("click", (event) => {
    const button = event.target.closest(".opens");
    if (button) toggle(button);
  });
  // Escape closes the message that it is in, or the last one that was opened, then the step.
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const of = (row) => row?.previousElementSibling?.querySelector(".opens");
    const own = document.activeElement?.closest("tr");
    const here = own?.querySelector('.opens[aria-expanded="true"]') ?? of(document.activeElement?.closest("tr.opened"));
    const message = here ?? [...document.querySelectorAll('.opens[aria-expanded="true"]')].pop();
    if (message) {
      toggle(message);
      message.focus();
    } else if (opened) close.click();
  });
  measure.addEventListener("change", draw);
  for (const button of document.querySelectorAll(".opens")) button.hidden = false;
  graph.hidden = !groups.length;
  draw();
})();
