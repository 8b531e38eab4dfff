"use strict";
// Draws the charts of the page, and draws them again when its width or its colours change.
(() => {
  const { course } = JSON.parse(document.getElementById("data").textContent);
  const figures = [...document.querySelectorAll("figure.chart")];
  const colours = ["#0969da", "#bc4c00", "#8250df", "#1a7f37", "#bf3989", "#9a6700", "#0550ae", "#cf222e", "#57606a"];
  const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Behind the lines: what is green, yellow and red.
  const zones = (bounds) => (plot) => {
    if (!bounds) return;
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

  const drawn = (figure, chart) => {
    const axis = { stroke: ink("--ink"), grid: { stroke: ink("--edge"), width: 1 }, ticks: { stroke: ink("--edge"), width: 1 } };
    const number = (value) => (value == null ? "" : `${+value.toFixed(3)} ${chart.unit}`);
    const options = {
      width: figure.clientWidth,
      height: 220,
      cursor: { sync: { key: "course" } },
      scales: { x: { time: false } },
      axes: [{ ...axis, values: (_, seconds) => seconds.map((second) => `${second} s`) }, { ...axis, size: 64 }],
      series: [
        { label: "second" },
        ...chart.series.map((series, at) => ({
          label: series.label, stroke: colours[at % colours.length], width: 1.5, points: { show: false }, spanGaps: false,
          value: (_, value) => number(value),
        })),
      ],
      hooks: { drawClear: [zones(chart.zones)] },
    };
    const plot = new uPlot(options, [course.seconds, ...chart.series.map((series) => series.values)], figure);
    // A line is shown or hidden by its name in the legend: with a keyboard as well.
    for (const name of figure.querySelectorAll(".u-legend .u-series th")) {
      name.tabIndex = 0;
      name.setAttribute("role", "button");
      name.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        name.click();
      });
    }
    return plot;
  };

  let plots = [];
  const draw = () => {
    for (const plot of plots) plot.destroy();
    plots = figures.map((figure, at) => drawn(figure, course.charts[at]));
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) draw();
    width = innerWidth;
  });
})();
