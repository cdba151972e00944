// What a plane (plane.js) and a chart (chart.js) share: svg elements, ticks, curves, the frame. No ids: nested svg
// elements clip. `at` is [x, y] in pixels, a role one of input, weight, output, gradient and ink.

const TOP = 20;
const between = (value, a, b) => Math.min(b, Math.max(a, value));

/** Sets attributes; those that are null or undefined go. */
const setAll = (node, attributes) => Object.entries(attributes).forEach(([key, value]) =>
  (value == null ? node.removeAttribute(key) : node.setAttribute(key, value)));

/** One SVG element: `svgEl("path", "dlt-axis", { d })`; children that are null or "" are left out. */
function svgEl(tag, cls, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(node, { class: cls || null, ...attributes });
  node.append(...children.filter(Boolean));
  return node;
}

/** Round numbers from a to b, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
function niceTicks(a, b, count = 5) {
  const raw = (b - a) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((one) => one * power >= raw * 0.999) * power, first = Math.ceil(a / step - 1e-9);
  return Array.from({ length: Math.floor(b / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** The path through points in pixels; a point that is no number breaks it, and a single point is a dot. */
function pathOf(points) {
  let pen = "M";
  const one = (at) => {
    const text = at.every(Number.isFinite) ? pen + at.map((v) => between(v, -1e4, 1e4).toFixed(2)) : "";
    pen = text ? "L" : "M";
    return text;
  };
  const path = points.map(one).join("");
  return path && `${path}h0`;
}

/** A curve: its line, the head of its arrow, and its name where it was last inside a frame of w times h; null breaks it. */
function drawCurve({ points, role = "ink", dash, arrow, thin, width = 2.5, name }, toPixel, w, h) {
  const pixels = points.map((at) => (at ? toPixel(at) : [NaN, NaN])), [x, y] = pixels.at(-1) ?? [NaN, NaN], d = pathOf(pixels);
  const tail = arrow && pixels.findLast((at) => Math.hypot(at[0] - x, at[1] - y) > 1);
  const end = name && pixels.findLast((at) => at[0] >= 0 && at[0] <= w && at[1] >= 0 && at[1] <= h);
  const barb = (turn) => {
    const angle = Math.atan2(tail[1] - y, tail[0] - x) + turn;
    return [x + 12 * Math.cos(angle), y + 12 * Math.sin(angle)];
  };
  return svgEl("g", thin && "dlt-thin", { style: `--mark: var(--dlt-${role})` }, svgEl("path", "dlt-case", { d, "stroke-width": width + 2 }),
    svgEl("path", dash ? "dlt-curve dlt-dash" : "dlt-curve", { d, "stroke-width": width }),
    tail && svgEl("path", "dlt-head", { d: pathOf([barb(-0.45), [x, y], barb(0.45)]) }),
    end && svgEl("text", "dlt-halo", { x: between(end[0] + 9, 4, w - 8 * name.length), y: between(end[1] - 9, 13, h - 5) }, name));
}

/** The frame of a plane or chart: ticks, labels, and `inner`, which clips what is drawn in it. */
function makeFrame(cls, { left, w, h, label, xLabel, yLabel }) {
  const size = { x: left, y: TOP, width: w, height: h }, inner = svgEl("svg", "", size), outer = svgEl("g"), ground = svgEl("rect", "dlt-ground", size);
  const end = TOP + h, text = (x, y, anchor, words) => svgEl("text", "", { x, y, "text-anchor": anchor }, words);
  /** `xs` and `ys` are ticks: [place in pixels, text]. */
  const paint = (xs, ys) => outer.replaceChildren(
    svgEl("path", "dlt-frame", { d: `M${left} ${TOP}h${w}v${h}h-${w}z${xs.map(([x]) => "M" + (left + x) + " " + end + "v4").join("")}${ys.map(([y]) => "M" + left + " " + (TOP + y) + "h-4").join("")}` }),
    ...xs.map(([x, words]) => text(left + x, end + 16, "middle", words)), ...ys.map(([y, words]) => text(left - 7, TOP + y + 4, "end", words)),
    text(left + w / 2, end + 31, "middle", xLabel), text(2, 13, "start", yLabel));
  /** Where a pointer is, in parts of the width and of the height from below. */
  const place = (event) => {
    const r = ground.getBoundingClientRect();
    return [between((event.clientX - r.left) / r.width, 0, 1), between((r.bottom - event.clientY) / r.height, 0, 1)];
  };
  for (const part of [inner, outer]) part.ariaHidden = true;
  return { node: svgEl("svg", cls, { viewBox: `0 0 ${left + w + 10} ${end + 36}`, role: "group", "aria-label": label }, ground, inner, outer), inner, paint, place };
}
