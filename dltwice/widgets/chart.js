// For widgets that draw curves; goes with frame.js.

/** The least and largest of some numbers, with a margin of `room` parts; [0, 1] of nothing, never one number twice. */
function spanOf(values, room = 0) {
  const [a, b] = values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]), by = a < b ? room * (b - a) : 0.5;
  return a <= b ? [a - by, b + by] : [0, 1];
}

/**
 * A line chart. `paint({ series, cursor, notes, x, y })`; `x` and `y` fix the ranges, [from, to]; a series that is
 * `thin` has no legend. `onScrub(x)`: the x of the series nearest to the pointer; for the keyboard there is the stepper.
 */
function chart({ label, xLabel, yLabel, log = false, onScrub = null }) {
  const w = 280, h = 140, { node, inner, paint: ticks, place } = makeFrame("dlt-chart", { left: 50, w, h, label, xLabel, yLabel });
  const legend = el("div.dlt-legend"), scale = (y) => (log ? Math.log10(y) : y);
  let range, xs = [];
  const scrub = (event) => {
    const x = range[0] + place(event)[0] * (range[1] - range[0]);
    if (event.buttons && xs.length) onScrub(xs.reduce((best, one) => (Math.abs(one - x) < Math.abs(best - x) ? one : best)));
  };
  setAll(node, { role: "img" });
  if (onScrub) {
    node.classList.add("dlt-scrub");
    node.addEventListener("pointerdown", (event) => (node.setPointerCapture(event.pointerId), scrub(event)));
    node.addEventListener("pointermove", scrub);
  }
  const paint = ({ series, notes = [], cursor = null, x, y }) => {
    const points = series.flatMap((one) => one.points);
    xs = points.map((one) => one[0]);
    range = x ?? spanOf(xs);
    const [y0, y1] = y?.map(scale) ?? spanOf(points.map((one) => scale(one[1])).filter(Number.isFinite), 0.06);
    const toX = (v) => ((v - range[0]) / (range[1] - range[0])) * w, toY = (v) => ((y1 - v) / (y1 - y0)) * h;
    const note = ({ x: at, text }, i) => svgEl("g", "", {}, svgEl("path", "dlt-axis dlt-dash", { d: `M${toX(at)} 0v${h}` }),
      svgEl("text", "dlt-halo", { x: toX(at) + (toX(at) > w / 2 ? -4 : 4), y: 13 + 15 * i, "text-anchor": toX(at) > w / 2 ? "end" : "start" }, text));
    inner.replaceChildren(...series.map(({ name, ...one }) => drawCurve({ width: 2, ...one }, (at) => [toX(at[0]), toY(scale(at[1]))], w, h)), ...notes.map(note),
      svgEl("path", "dlt-cursor", { d: cursor === null ? "" : `M${toX(cursor)} 0v${h}` }));
    const powers = log && y1 - y0 >= 2;
    ticks(niceTicks(...range).map((v) => [toX(v), fmt(v)]), niceTicks(y0, y1, 4).filter((v) => !powers || Number.isInteger(v)).map((v) => [toY(v), log ? fmt(10 ** v, 2) : fmt(v)]));
    legend.replaceChildren(...series.filter((one) => !one.thin).map(({ name, role, dash }) => el("span", {}, svgEl("svg", "", { viewBox: "0 0 28 8", "aria-hidden": true },
      drawCurve({ points: [[2, 4], [26, 4]], role, dash }, (at) => at)), name)));
  };
  return { node: el("div.dlt-charted", {}, node, legend), paint };
}
