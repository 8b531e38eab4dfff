"use strict";
// Shows what is live as a tree of who called whom: rows that are opened and closed, one of them in the order of tabs.
(() => {
  const { functions, crates, trees, first } = JSON.parse(document.getElementById("data").textContent).heap;
  const [live, what, short, search, matched, close, calls] =
    ["live", "what", "short", "search", "matched", "close", "calls"].map((id) => document.getElementById(id));
  if (!live) return;
  const names = { peak: "at the peak", end: "at the end", growth: "what grew between the first floors and the last" };
  // A row is opened with its only child, and with one that has nearly all of it.
  const NEARLY_ALL = 0.9;
  const KIB = 1024;
  const bytes = (number) => (number < KIB * KIB ? `${(number / KIB).toFixed(1)} KiB` : `${(number / KIB / KIB).toFixed(2)} MiB`);
  const percent = (part, all) => `${(all ? (100 * part) / all : 0).toFixed(1)} %`;

  // --- Trees: from rows of [depth, function, own, total] to nodes.
  const whole = (nodes) => {
    const root = { own: 0, total: 0, calls: [] };
    const way = [root];
    for (const [depth, of, own, total] of nodes) {
      const node = { of, own, total, calls: [] };
      way.length = depth + 1;
      way[depth].calls.push(node);
      way.push(node);
    }
    return root;
  };
  const hidden = new Set([null, "runtime", "allocator"]);
  const isHidden = ({ of }) => of != null && hidden.has(functions[of].kind);
  // Hidden functions give what they have to their callers.
  const shortened = (from, into) => {
    into.by ??= new Map();
    for (const node of from.calls) {
      let to = into;
      if (!isHidden(node)) {
        to = into.by.get(node.of);
        if (!to) into.by.set(node.of, (to = { of: node.of, own: 0, total: 0, calls: [] }));
        to.total += node.total;
      }
      to.own += node.own;
      shortened(node, to);
    }
    into.calls = [...into.by.values()].sort((a, b) => (a.of == null) - (b.of == null) || b.total - a.total);
    return into;
  };
  const withoutHidden = (root) => {
    const top = shortened(root, { own: 0, total: 0, calls: [] });
    // Stacks with nothing but hidden functions.
    if (top.own) top.calls.push({ name: "runtime and language alone", own: top.own, total: top.own, calls: [] });
    return top;
  };
  const linked = (caller, level) => {
    caller.calls.forEach((node, at) => {
      Object.assign(node, { caller, at, level, isOpen: false });
      linked(node, level + 1);
    });
    return caller;
  };

  // --- Names: of a path its last two parts, without what is in angle brackets.
  const without = (name) => {
    let before;
    do {
      before = name;
      name = name.replace(/(::)?<[^<>]*>/g, "");
    } while (name !== before);
    return name;
  };
  const bare = (name) => {
    // A method of a trait is its type's.
    const inner = /^<(?:impl )?(?:.* for )?([^ <>]+)/.exec(name.replaceAll("->", ""));
    const parts = (inner ? `${inner[1]}::${name.slice(name.lastIndexOf("::") + 2)}` : without(name)).split("::").filter(Boolean);
    const closures = parts.filter((part) => part.startsWith("{")).length;
    return parts.filter((part) => !part.startsWith("{")).slice(-2).join("::") + (closures ? " {…}" : "") || name;
  };
  const labels = functions.map(({ name }) => bare(name));
  const label = (node) => node.name ?? (node.of == null ? "others" : labels[node.of]);
  const full = (node) => node.name ?? (node.of == null ? "others, each too little" : functions[node.of].name);
  const ofCrate = (node) => (node.of == null ? "" : crates[functions[node.of].crate]);

  // --- Drawing.
  let root, all, focused;
  const rows = new Map();
  const wanted = () => search.value.trim().toLowerCase();
  const isWanted = (node, text) => node.of != null && functions[node.of].name.toLowerCase().includes(text);
  const visible = (node, into = []) => {
    for (const called of node.calls) {
      into.push(called);
      if (called.isOpen) visible(called, into);
    }
    return into;
  };
  const cell = (name, text) => {
    const element = document.createElement("span");
    element.className = name;
    element.textContent = text;
    return element;
  };
  const row = (node, text) => {
    const element = document.createElement("div");
    element.className = "call";
    element.setAttribute("role", "treeitem");
    const facts = { level: node.level, posinset: node.at + 1, setsize: node.caller.calls.length, selected: node === focused };
    for (const [name, value] of Object.entries(facts)) element.setAttribute(`aria-${name}`, value);
    if (node.calls.length) element.setAttribute("aria-expanded", node.isOpen);
    element.classList.toggle("found", text !== "" && isWanted(node, text));
    element.tabIndex = node === focused ? 0 : -1;
    element.title = `${full(node)}: ${bytes(node.total)}, of it ${bytes(node.own)} its own`;
    const amount = cell("bytes", `${bytes(node.total)}, ${percent(node.total, all)}`);
    amount.style.setProperty("--share", percent(node.total, all).replace(" ", ""));
    const sign = cell("sign", node.calls.length ? (node.isOpen ? "▾" : "▸") : "");
    sign.ariaHidden = "true";
    sign.style.marginLeft = `${0.6 + Math.min(node.level - 1, 40) * 0.9}em`;
    element.append(amount, sign, cell("name", label(node)), cell("of", ofCrate(node)));
    element.addEventListener("click", () => {
      toggled(node);
      focus(node);
    });
    return element;
  };
  const draw = () => {
    const text = wanted();
    const shown = visible(root);
    if (!shown.includes(focused)) focused = shown[0];
    rows.clear();
    for (const node of shown) rows.set(node, row(node, text));
    calls.replaceChildren(...rows.values());
  };
  const show = (node) => {
    focused = node;
    for (let caller = node.caller; caller !== root; caller = caller.caller) caller.isOpen = true;
    draw();
    rows.get(node).scrollIntoView({ block: "nearest" });
  };
  const focus = (node) => {
    show(node);
    rows.get(node).focus();
  };
  const opened = (node) => {
    while (node.calls.length) {
      node.isOpen = true;
      const [first] = node.calls;
      if (first.total < NEARLY_ALL * node.total) return;
      node = first;
    }
  };
  const toggled = (node) => {
    if (node.isOpen) node.isOpen = false;
    else opened(node);
  };

  // --- Moving about.
  const near = (by) => {
    const shown = [...rows.keys()];
    return shown[Math.min(Math.max(shown.indexOf(focused) + by, 0), shown.length - 1)];
  };
  const keys = {
    ArrowUp: () => near(-1),
    ArrowDown: () => near(1),
    Home: () => near(-Infinity),
    End: () => near(Infinity),
    ArrowRight: () => {
      if (focused.isOpen) return focused.calls[0];
      opened(focused);
      return focused;
    },
    ArrowLeft: () => {
      if (!focused.isOpen) return focused.caller === root ? focused : focused.caller;
      focused.isOpen = false;
      return focused;
    },
    Enter: () => {
      toggled(focused);
      return focused;
    },
  };
  keys[" "] = keys.Enter;
  calls.addEventListener("keydown", (event) => {
    const move = keys[event.key];
    if (!move || !focused || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    focus(move());
  });

  // --- What is shown.
  const every = (node, into = []) => {
    for (const called of node.calls) {
      into.push(called);
      every(called, into);
    }
    return into;
  };
  const found = () => {
    const text = wanted();
    let sum = 0;
    // What a found one calls is in its total already.
    const look = (node) => {
      let has = false;
      for (const called of node.calls) {
        const is = isWanted(called, text);
        if (is) sum += called.total;
        has = (is || look(called)) || has;
      }
      if (has) node.isOpen = true;
      return has;
    };
    if (text) look(root);
    matched.textContent = text ? `${bytes(sum)}, ${percent(sum, all)} found` : "";
    draw();
  };
  const rebuilt = () => {
    const tree = trees[what.value];
    all = tree.bytes;
    root = whole(tree.nodes);
    if (short.checked) root = withoutHidden(root);
    linked(root, 1);
    focused = null;
    if (root.calls.length) opened(root.calls[0]);
    found();
  };
  search.addEventListener("input", found);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      search.value = "";
      found();
    }
    const text = wanted();
    const hits = event.key === "Enter" && text ? every(root).filter((node) => isWanted(node, text)) : [];
    if (!hits.length) return;
    const next = (hits.indexOf(focused) + 1) % hits.length;
    show(hits[next]);
    matched.textContent = `${next + 1} of ${hits.length}: ${label(hits[next])}, ${bytes(hits[next].total)}`;
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    search.focus();
  });
  close.addEventListener("click", () => {
    for (const node of every(root)) node.isOpen = false;
    draw();
  });
  what.addEventListener("change", rebuilt);
  short.addEventListener("change", rebuilt);

  for (const [at, tree] of trees.entries()) what.add(new Option(`${names[tree.of]} (${tree.seconds.toFixed(1)} s): ${bytes(tree.bytes)}`, at));
  what.value = Math.max(trees.findIndex((tree) => tree.of === first), 0);
  live.hidden = false;
  rebuilt();
})();
