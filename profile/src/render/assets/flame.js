"use strict";
// Draws the flame graph of the page: a canvas for the eyes, and one item of a tree at a time for those who do not see it.
(() => {
  const { flame, changes } = JSON.parse(document.getElementById("data").textContent);
  const { functions, crates, threads, figures } = flame;
  const [graph, frames, mark, tip, details, current, legend, crumbs] =
    ["flame", "frames", "mark", "tip", "details", "current", "legend", "crumbs"].map((id) => document.getElementById(id));
  const [thread, shape, colour, short, search, matched] =
    ["thread", "shape", "colour", "short", "search", "matched"].map((id) => document.getElementById(id));
  const canvas = frames.querySelector("canvas");
  const ROW = 18; // The height of a frame, in pixels.
  const NARROWEST = 0.4; // What is narrower is not drawn, nor what it calls.
  const MOST_COLOURS = 12; // Nobody tells more apart.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const percent = (part, all) => `${(all ? (100 * part) / all : 0).toFixed(2)} %`;
  const kinds = {
    ours: "exportpool", awsSdk: "AWS SDK", http: "HTTP", tls: "TLS and signing", json: "JSON", checksums: "checksums",
    allocator: "allocator", runtime: "runtime", other: "other", language: "language",
  };

  // --- Trees: from rows of [depth, function, own, total] to nodes.
  const linked = (node) => {
    const ahead = [node];
    while (ahead.length) {
      const caller = ahead.pop();
      let start = caller.start;
      for (const [at, called] of caller.calls.entries()) {
        Object.assign(called, { caller, at, start, depth: caller.depth + 1 });
        start += called.total;
        ahead.push(called);
      }
    }
    return node;
  };
  const whole = ({ name, samples, nodes }) => {
    const root = { name, own: 0, total: samples, calls: [], start: 0, depth: 0 };
    const way = [root];
    for (const [depth, of, own, total] of nodes) {
      const node = { of, own, total, calls: [] };
      way.length = depth + 1;
      way[depth].calls.push(node);
      way.push(node);
    }
    return linked(root);
  };
  const isHidden = ({ of }) => of != null && (functions[of].kind == null || functions[of].kind === "runtime");
  // Hidden frames give their own samples and what they call to their callers.
  const shortened = (root) => {
    const merged = (into, from) => {
      for (const node of from.calls) {
        if (isHidden(node)) {
          into.own += node.own;
          merged(into, node);
          continue;
        }
        let same = into.by.get(node.of);
        if (!same) into.by.set(node.of, (same = { of: node.of, own: 0, total: 0, calls: [], by: new Map() }));
        same.own += node.own;
        same.total += node.total;
        merged(same, node);
      }
    };
    const sorted = (node) => {
      node.calls = [...node.by.values()].sort((a, b) => (a.of == null) - (b.of == null) || b.total - a.total);
      node.calls.forEach(sorted);
      return node;
    };
    const top = { name: root.name, own: 0, total: root.total, start: 0, depth: 0, by: new Map() };
    merged(top, root);
    return linked(sorted(top));
  };

  // --- Names.
  const full = (node) => node.name ?? (node.of == null ? "others, each too rare" : functions[node.of].name);
  // Without what is in angle brackets: the last two parts of its path.
  const bare = (name) => {
    let type = name;
    const inner = /^<(?:impl )?(.*?)(?: as |>::)/.exec(name);
    if (inner) type = inner[1].replace(/<.*$/, "") + "::" + name.slice(name.lastIndexOf(">::") + 3);
    const parts = type.replace(/^[&*<]+/, "").replace(/<[^<>]*(<[^<>]*(<[^<>]*>[^<>]*)*>[^<>]*)*>/g, "").split("::").filter(Boolean);
    const closures = parts.filter((part) => part.startsWith("{")).length;
    return parts.filter((part) => !part.startsWith("{")).slice(-2).join("::") + (closures ? " {…}" : "") || name;
  };
  const labels = functions.map(({ name }) => bare(name));
  const label = (node) => node.name ?? (node.of == null ? "others" : labels[node.of]);
  const ms = (samples) => `${((1e3 * samples * figures.cpuSeconds) / (figures.samples || 1)).toFixed(0)} ms`;
  const told = (node) => {
    const all = root.total;
    const parts = [
      `${full(node)}: total ${node.total} samples, ${percent(node.total, all)}, ${ms(node.total)}`,
      `own ${node.own}, ${percent(node.own, all)}`,
    ];
    if (node.caller?.caller) parts.push(`${percent(node.total, node.caller.total)} of its caller`);
    if (node.of != null) {
      parts.push(`crate ${crates[functions[node.of].crate].name}`);
      const change = changes?.[node.of];
      if (change) {
        const by = 100 * (change.after - change.before);
        parts.push(`since the baseline ${by < 0 ? "" : "+"}${by.toFixed(2)} % of all${change.isSure ? "" : ", which may be chance"}`);
      }
    }
    return parts.join("; ");
  };

  // --- Colours.
  const group = (node) => {
    if (node.of == null) return null;
    const { crate, kind } = functions[node.of];
    if (colour.value === "kind") return kinds[kind ?? "language"];
    if (colour.value === "crate") return crates[crate].name;
    const change = changes[node.of];
    return !change?.isSure ? "may be chance" : change.after > change.before ? "more than before" : "less than before";
  };
  const shade = (hue, weight = 1) => dark.matches
    ? `hsl(${hue} ${20 + 25 * weight}% ${22 + 10 * weight}%)` : `hsl(${hue} ${35 + 35 * weight}% ${90 - 16 * weight}%)`;
  const grey = () => (dark.matches ? "#30363d" : "#dfe3e8");
  let hues = new Map();
  const taken = new Set();
  const strongest = () => Math.max(0.01, ...(changes ?? []).map((change) => (change?.isSure ? Math.abs(change.after - change.before) : 0)));
  const most = strongest();
  const paint = (node) => {
    const name = group(node);
    if (name == null || taken.has(name) || !hues.has(name)) return grey();
    if (colour.value !== "change") return shade(hues.get(name));
    const change = changes[node.of];
    if (!change?.isSure) return grey();
    return shade(hues.get(name), Math.sqrt(Math.abs(change.after - change.before) / most));
  };
  const colours = () => {
    const shares = new Map();
    const count = (node) => {
      const name = group(node);
      if (name != null) shares.set(name, (shares.get(name) ?? 0) + (colour.value === "change" ? 1 : node.own));
      node.calls.forEach(count);
    };
    count(root);
    const names = [...shares].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const fixed = { "more than before": 4, "less than before": 212 };
    hues = new Map(names.filter((name) => name !== "may be chance").slice(0, MOST_COLOURS)
      .map((name, at) => [name, fixed[name] ?? Math.round(at * 137.5 + 30) % 360]));
    legend.replaceChildren(...[...hues].map(([name, hue]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.ariaPressed = String(!taken.has(name));
      const sample = document.createElement("i");
      sample.style.background = shade(hue);
      const share = colour.value === "change" ? "" : ` ${percent(shares.get(name), root.total)}`;
      button.append(sample, name + share);
      button.addEventListener("click", () => {
        if (!taken.delete(name)) taken.add(name);
        button.ariaPressed = String(!taken.has(name));
        draw();
      });
      return button;
    }), ...(names.length > hues.size ? [colour.value === "change" ? "grey: no change, or by chance" : "grey: all others"] : []));
  };

  // --- Drawing.
  let root, zoomed, focused;
  let past = [];
  let rows = [];
  const places = new Map();
  const wanted = () => search.value.trim().toLowerCase();
  const isWanted = (node, text) => node.of != null && functions[node.of].name.toLowerCase().includes(text);
  // Frames by rows: callers of the zoomed one above it, all as wide as the graph.
  const laid = (width) => {
    rows = [];
    places.clear();
    const put = (node, x, w) => {
      const place = { node, x, w, row: node.depth };
      (rows[node.depth] ??= []).push(place);
      places.set(node, place);
    };
    for (let node = zoomed.caller; node; node = node.caller) put(node, 0, width);
    const scale = zoomed.total ? width / zoomed.total : 0;
    const ahead = [zoomed];
    while (ahead.length) {
      const node = ahead.pop();
      const w = node === zoomed ? width : node.total * scale;
      if (w < NARROWEST) continue;
      put(node, (node.start - zoomed.start) * scale, w);
      ahead.push(...node.calls);
    }
    for (const row of rows) row.sort((a, b) => a.x - b.x);
  };
  const top = (row) => (shape.value === "flame" ? rows.length - 1 - row : row) * ROW;
  const draw = () => {
    const width = frames.clientWidth;
    laid(width);
    const height = rows.length * ROW;
    const ratio = Math.min(devicePixelRatio || 1, 16000 / Math.max(height, 1));
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px ui-monospace, monospace";
    pen.textBaseline = "middle";
    const letter = pen.measureText("M").width;
    const ink = dark.matches ? "#f0f6fc" : "#1b1f24";
    const text = wanted();
    for (const { node, x, w, row } of rows.flat()) {
      const isFound = text && isWanted(node, text);
      pen.globalAlpha = (text && !isFound) || node.depth < zoomed.depth ? 0.45 : 1;
      pen.fillStyle = isFound ? (dark.matches ? "#8e2f8e" : "#f0a0f0") : paint(node);
      pen.fillRect(x, top(row), Math.max(w - (w > 3 ? 0.6 : 0), 0.4), ROW - 1);
      pen.globalAlpha = node.depth < zoomed.depth ? 0.7 : 1;
      const fits = Math.floor((w - 6) / letter);
      if (fits < 3) continue;
      const name = label(node);
      pen.fillStyle = ink;
      pen.fillText(name.length > fits ? `${name.slice(0, fits - 1)}…` : name, x + 3, top(row) + ROW / 2);
    }
    marked();
  };
  const marked = () => {
    const place = places.get(focused);
    mark.hidden = !place;
    if (place) Object.assign(mark.style, { left: `${place.x}px`, top: `${top(place.row)}px`, width: `${Math.max(place.w, 4)}px`, height: `${ROW}px` });
  };
  const seen = () => {
    const place = places.get(focused);
    if (!place) return;
    const y = top(place.row);
    if (y < frames.scrollTop) frames.scrollTop = y - ROW;
    if (y + ROW > frames.scrollTop + frames.clientHeight) frames.scrollTop = y + 2 * ROW - frames.clientHeight;
  };

  // --- Moving about.
  const focus = (node) => {
    focused = node;
    // One that is too narrow is made wide.
    if (!places.has(node)) return zoom(node.caller ?? root, node);
    const text = told(node);
    details.textContent = text;
    current.textContent = text;
    const siblings = node.caller?.calls.length ?? 1;
    const facts = { "aria-level": node.depth + 1, "aria-posinset": (node.at ?? 0) + 1, "aria-setsize": siblings, "aria-selected": true };
    for (const [name, value] of Object.entries(facts)) current.setAttribute(name, value);
    if (node.calls.length) current.setAttribute("aria-expanded", "true");
    else current.removeAttribute("aria-expanded");
    marked();
    seen();
  };
  const show = (node, next = node) => {
    zoomed = node;
    draw();
    crumbed();
    focus(places.has(next) ? next : node);
  };
  const zoom = (node, next = node) => {
    if (node !== zoomed) past.push(zoomed);
    show(node, next);
  };
  const back = () => show(past.pop() ?? root, zoomed);
  const crumbed = () => {
    const way = [];
    for (let node = zoomed; node; node = node.caller) way.unshift(node);
    const shown = way.length > 5 ? [way[0], null, ...way.slice(-4)] : way;
    crumbs.replaceChildren(...shown.map((node) => {
      if (!node) return "…";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label(node);
      button.title = full(node);
      if (node === zoomed) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => zoom(node));
      return button;
    }));
  };
  const found = () => {
    const text = wanted();
    let samples = 0;
    // What a found frame calls is in its total already.
    const count = (node) => {
      if (isWanted(node, text)) samples += node.total;
      else node.calls.forEach(count);
    };
    if (text) count(root);
    matched.textContent = text ? `${percent(samples, root.total)} matched` : "";
    draw();
  };
  const rebuilt = () => {
    root = whole(threads[thread.value] ?? { name: "nothing", samples: 0, nodes: [] });
    if (short.checked) root = shortened(root);
    past = [];
    colours();
    show(root);
    found();
    turned();
  };
  const turned = () => {
    draw();
    frames.scrollTop = shape.value === "flame" ? frames.scrollHeight : 0;
  };
  const hit = (event) => {
    const box = canvas.getBoundingClientRect();
    const drawn = Math.floor((event.clientY - box.top) / ROW);
    const row = rows[shape.value === "flame" ? rows.length - 1 - drawn : drawn] ?? [];
    const x = event.clientX - box.left;
    return row.find((place) => place.x <= x && x < place.x + Math.max(place.w, 1))?.node;
  };
  const next = (node, by) => node.caller?.calls[node.at + by];
  const keys = {
    ArrowLeft: () => next(focused, -1),
    ArrowRight: () => next(focused, 1),
    ArrowUp: () => (shape.value === "flame" ? focused.calls[0] : focused.caller),
    ArrowDown: () => (shape.value === "flame" ? focused.caller : focused.calls[0]),
  };

  canvas.addEventListener("mousemove", (event) => {
    const node = hit(event);
    tip.hidden = !node;
    if (!node) return;
    tip.textContent = told(node);
    const right = event.clientX > innerWidth / 2;
    Object.assign(tip.style, {
      left: right ? "auto" : `${event.clientX + 12}px`, right: right ? `${innerWidth - event.clientX + 12}px` : "auto",
      top: `${Math.min(event.clientY + 16, innerHeight - 90)}px`,
    });
  });
  canvas.addEventListener("mouseleave", () => (tip.hidden = true));
  canvas.addEventListener("click", (event) => {
    const node = hit(event);
    if (node) zoom(node);
    frames.focus({ preventScroll: true });
  });
  frames.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const move = keys[event.key];
    if (move) {
      const node = move();
      if (node) focus(node);
    } else if (event.key === "Enter" || event.key === " ") zoom(focused);
    else if (event.key === "Escape") back();
    else if (event.key === "Home") zoom(root);
    else return;
    event.preventDefault();
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    search.focus();
  });
  search.addEventListener("input", found);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    search.value = "";
    found();
  });
  thread.addEventListener("change", rebuilt);
  short.addEventListener("change", rebuilt);
  shape.addEventListener("change", turned);
  const recoloured = () => {
    taken.clear();
    colours();
    draw();
  };
  colour.addEventListener("change", recoloured);
  dark.addEventListener("change", () => {
    colours();
    draw();
  });
  addEventListener("resize", () => draw());

  for (const [at, { name, samples }] of threads.entries()) thread.add(new Option(`${name}: ${percent(samples, figures.samples)}`, at));
  if (changes) {
    colour.add(new Option("change since the baseline", "change"));
    colour.value = "change";
  }
  current.id = "current";
  frames.setAttribute("aria-activedescendant", "current");
  graph.hidden = false;
  rebuilt();
})();
