"use strict";
// Draws the charts of the page. Each has a slider that moves the cursor along, buttons that hide its lines, and a table of its
// numbers: what is drawn can be had by keyboard and by ear.
(() => {
  const { seconds, charts } = JSON.parse(document.getElementById("data").textContent).course;
  const root = document.documentElement;
  const HEIGHT = 220; // Of a chart, in pixels.
  const PAPER = 680; // What fits on A4 and on Letter, in pixels.
  const MOST_ROWS = 60; // Nobody reads more.
  const COLOURS = 9; // As many as the style has.
  const ink = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const colour = (at) => `--line-${at % COLOURS}`;
  const said = (value, unit) => (value == null ? "–" : `${+value.toFixed(3)} ${unit}`.trim());
  const made = (name, facts, ...inner) => {
    const element = Object.assign(document.createElement(name), facts);
    element.append(...inner);
    return element;
  };

  // Behind the lines: what is green, yellow and red.
  const zones = (bounds) => (plot) => {
    const { ctx, bbox } = plot;
    const at = (value) => Math.min(Math.max(plot.valToPos(value, "y", true), bbox.top), bbox.top + bbox.height);
    const [yellow, red] = bounds.map(at);
    const bands = [["--green", bbox.top + bbox.height, yellow], ["--yellow", yellow, red], ["--red", red, bbox.top]];
    ctx.save();
    ctx.globalAlpha = 0.12;
    for (const [name, from, to] of bands) {
      ctx.fillStyle = ink(name);
      ctx.fillRect(bbox.left, to, bbox.width, from - to);
    }
    ctx.restore();
  };
  // With zones, both bounds are seen beside peaks a hundred times as high: linear to a tenth of the first, then logarithmic.
  const heights = (bounds) => {
    if (!bounds) return [{}, {}];
    const linear = bounds[0] / 10;
    const splits = (_plot, _axis, _from, to) => {
      const marks = [0];
      for (let mark = linear; mark <= to; mark *= 10) marks.push(mark);
      return marks;
    };
    return [
      { distr: 4, asinh: linear, range: (_plot, _least, most) => [0, 1.2 * Math.max(most ?? 0, bounds[1])] },
      { splits, filter: (_plot, marks) => marks },
    ];
  };

  const plotted = (figure, { zones: bounds, series }, hooks) => {
    const grey = { stroke: () => ink("--edge"), width: 1 };
    const axis = { stroke: () => ink("--ink"), grid: grey, ticks: grey };
    const [scale, marks] = heights(bounds);
    const options = {
      width: figure.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { sync: { key: "course" }, y: false },
      scales: { x: { time: false }, y: scale },
      axes: [{ ...axis, values: (_plot, marks) => marks.map((mark) => `${mark} s`) }, { ...axis, ...marks, size: 64 }],
      series: [{}, ...series.map((_, at) => ({ stroke: () => ink(colour(at)), width: 1.5, points: { show: seconds.length < 2 } }))],
      hooks: { ...hooks, ...(bounds && { drawClear: [zones(bounds)] }) },
    };
    const plot = new uPlot(options, [seconds, ...series.map(({ values }) => values)], figure);
    plot.root.ariaHidden = "true";
    return plot;
  };

  // Few enough rows: each is a stretch of time, with the most of each line.
  const table = ({ title, unit, series }) => {
    const each = Math.ceil(seconds.length / MOST_ROWS);
    const most = (values) => {
      const told = values.filter((value) => value != null);
      return told.length ? Math.max(...told) : null;
    };
    const rows = [];
    for (let from = 0; from < seconds.length; from += each) {
      const to = Math.min(from + each, seconds.length);
      const cells = series.map(({ values }) => made("td", { textContent: said(most(values.slice(from, to)), "") }));
      rows.push(made("tr", {}, made("th", { scope: "row", textContent: said(seconds[to - 1], "s") }), ...cells));
    }
    const heads = [each > 1 ? "until" : "at", ...series.map(({ label }) => label)];
    const head = made("tr", {}, ...heads.map((textContent) => made("th", { scope: "col", textContent })));
    const caption = `${title}${unit && `, ${unit}`}${each > 1 ? ": the most of each stretch of time" : ""}`;
    return made("table", {}, made("caption", { textContent: caption }), made("thead", {}, head), made("tbody", {}, ...rows));
  };

  // A line's button, and its value where the cursor is.
  const entry = ({ label }, at) => {
    const sample = made("i", {});
    sample.style.background = `var(${colour(at)})`;
    const button = made("button", { type: "button", ariaPressed: "true" }, sample, label);
    return { button, label, value: made("span", {}), isShown: () => button.ariaPressed === "true" };
  };

  // All charts have their cursors at the same time.
  const shown = [];
  const tell = (at) => shown.forEach((chart) => chart.tell(at));

  const drawn = (figure, chart) => {
    const { title, unit, series } = chart;
    const entries = series.map(entry);
    const when = made("span", {});
    const slider = made("input", { type: "range", max: seconds.length - 1, value: seconds.length - 1, ariaLabel: `Time: ${title}` });
    let told;
    const values = (at) => {
      slider.value = told = at;
      when.textContent = `at ${said(seconds[at], "s")}`;
      entries.forEach(({ value }, of) => (value.textContent = said(series[of].values[at], unit)));
      const read = entries.filter(({ isShown }) => isShown()).map(({ label, value }) => `${label} ${value.textContent}`);
      slider.ariaValueText = `${said(seconds[at], "s")}: ${read.join(", ") || "no line is shown"}`;
    };
    const plot = plotted(figure, chart, {
      setCursor: [({ cursor }) => cursor.idx != null && tell(cursor.idx)],
      // As wide as what it moves along, and no further than what is zoomed to.
      draw: [({ over, series: [{ idxs }] }) => {
        Object.assign(slider.style, { marginLeft: `${over.offsetLeft}px`, width: `${over.clientWidth}px` });
        if (idxs) [slider.min, slider.max] = idxs;
      }],
    });
    const move = () => {
      plot.setCursor({ left: plot.valToPos(seconds[slider.value], "x"), top: 0 }, true, true);
      tell(slider.valueAsNumber);
    };
    slider.addEventListener("focus", move);
    slider.addEventListener("input", move);
    entries.forEach(({ button, isShown }, at) => button.addEventListener("click", () => {
      button.ariaPressed = String(!isShown());
      plot.setSeries(at + 1, { show: isShown() });
      values(slider.valueAsNumber);
    }));
    const legend = made("div", { className: "legend", role: "group", ariaLabel: "Lines: press one to take it away" }, when);
    legend.append(...entries.map(({ button, value }) => made("span", {}, button, value)));
    const numbers = made("details", {}, made("summary", { textContent: `Numbers: ${title}` }));
    numbers.addEventListener("toggle", () => numbers.append(table(chart)), { once: true });
    figure.append(slider, legend, numbers);
    values(seconds.length - 1);
    shown.push({ tell: (at) => at !== told && values(at), plot, figure });
  };

  const fit = (width) => shown.forEach(({ plot, figure }) => plot.setSize({ width: width ?? figure.clientWidth, height: HEIGHT }));
  const onPaper = (is) => {
    root.classList.toggle("paper", is);
    fit(is ? PAPER : undefined);
  };
  for (const [at, figure] of [...document.querySelectorAll("figure.chart")].entries()) {
    if (seconds.length) drawn(figure, charts[at]);
    else figure.append(made("p", { textContent: "Nothing was recorded." }));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => fit());
  addEventListener("resize", () => fit());
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
})();
