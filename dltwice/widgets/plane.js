// For widgets that draw a plane with marks to drag; goes with frame.js. No ids: the hatch is a path.

const SHAPES = {
  circle: "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0z", ring: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
  square: "M-6.5-6.5h13v13h-13z", cross: "M-6-6L6 6M-6 6L6-6",
};
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** One mark: it stays the same element while it moves, so that it keeps focus and pointer. */
function makeMark(whereIs, round, step) {
  let mark = {}, grab = null, dragged = false;
  const shape = svgEl("path", "dlt-shape"), text = svgEl("text", "dlt-halo", { x: 11, y: -8 });
  const node = svgEl("g", "", {}, svgEl("circle", "dlt-hit", { r: 10 }), svgEl("circle", "dlt-around", { r: 11.5 }), shape, text);
  const on = (type, act) => node.addEventListener(type, act);
  on("pointerdown", (event) => {
    dragged = false;
    if (!mark.onMove || event.button) return;
    node.setPointerCapture(event.pointerId);
    const [x, y] = whereIs(event);
    grab = [mark.x - x, mark.y - y, event.clientX, event.clientY];
  });
  on("pointermove", (event) => {
    dragged ||= grab && Math.hypot(event.clientX - grab[2], event.clientY - grab[3]) > 3;
    if (!grab || !dragged) return;
    const [x, y] = whereIs(event);
    mark.onMove?.(...round(x + grab[0], y + grab[1]));
  });
  on("lostpointercapture", () => (grab = null));
  on("touchmove", (event) => grab && event.preventDefault()); // touch-action of an svg element is not enough everywhere
  on("click", () => {
    if (!dragged) mark.onPress?.();
    dragged = false;
  });
  on("keydown", (event) => {
    const by = event.shiftKey ? step / 10 : step, way = WAYS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way && mark.onMove) mark.onMove(...round(mark.x + by * way[0], mark.y + by * way[1]));
    else if ([" ", "Enter"].includes(event.key) && mark.onPress) mark.onPress();
    else return;
    event.preventDefault();
  });
  const paint = (next, [x, y], away) => {
    mark = next;
    const { shape: kind = "circle", role = "ink", label = null, onMove, onPress, selected } = mark, active = onMove || onPress;
    setAll(node, {
      class: `dlt-mark dlt-${kind}${active ? " dlt-active" : ""}${onMove ? " dlt-moves" : ""}${selected ? " dlt-selected" : ""}`,
      style: `--mark: var(--dlt-${role})${away && !onMove ? "; display: none" : ""}`, transform: `translate(${x} ${y})`,
      tabindex: active ? 0 : null, role: active ? "button" : label && "img", "aria-label": label, "aria-hidden": active || label ? null : true,
    });
    shape.setAttribute("d", SHAPES[kind]);
    text.textContent = mark.text ?? "";
  };
  return { node, paint };
}

/** Draws a function's size as lightness, in six levels of a path each, and slanted lines where it is negative. */
function drawShade(shade, [x0, x1, y0, y1], side) {
  const cells = 54, size = side / cells, paths = Array(7).fill("");
  let hatch = "";
  const valueAt = (r, c) => (c < cells ? shade(x0 + ((c + 0.5) / cells) * (x1 - x0), y1 - ((r + 0.5) / cells) * (y1 - y0)) : null);
  const level = (v) => (Number.isFinite(v) ? Math.ceil(Math.min(1, Math.abs(v)) * 6 - 1e-9) : 0);
  for (let r = 0; r < cells; r++) {
    for (let c = 0, from = 0, now = valueAt(r, 0), next; c < cells; c++, now = next) {
      next = valueAt(r, c + 1);
      if (now < 0 && (r + c) % 3 === 0) hatch += `M${c * size} ${(r + 1) * size}l${size}-${size}`;
      if (c + 1 < cells && level(next) === level(now)) continue;
      paths[level(now)] += `M${from * size} ${r * size}h${(c + 1 - from) * size}v${size}h${(from - c - 1) * size}z`;
      from = c + 1;
    }
  }
  const fills = paths.map((d, i) => svgEl("path", "dlt-shade", { d, "fill-opacity": 0.05 * i }));
  return [...fills, svgEl("path", "dlt-hatch", { d: hatch })];
}

/**
 * A square plane. `paint({ box, shade, levels, curves, marks })`: all may be left out, and `box` replaces the last one.
 * Moves are rounded to a tenth of `step`. `onPress(x, y)` on free ground has no key: offer a button that does the same.
 * A mark outside the box is hidden, or stands at the edge when it can be moved.
 */
function plane({ label, box, xLabel = "x₁", yLabel = "x₂", onPress = null, step = 0.1 }) {
  const side = 270, left = 34, { node, inner, paint: ticks, place } = makeFrame("dlt-plane", { left, w: side, h: side, label, xLabel, yLabel });
  const layer = svgEl("g"), marks = new Map();
  const toPixel = ([x, y]) => [((x - box[0]) / (box[1] - box[0])) * side, ((box[3] - y) / (box[3] - box[2])) * side];
  const inBox = (x, y) => [between(x, box[0], box[1]), between(y, box[2], box[3])];
  const round = (x, y) => inBox(...[x, y].map((v) => Number((Math.round((v * 10) / step) * (step / 10)).toFixed(6))));
  const whereIs = (event) => {
    const [u, v] = place(event);
    return [box[0] + u * (box[1] - box[0]), box[2] + v * (box[3] - box[2])];
  };
  node.append(layer);
  if (onPress) node.addEventListener("click", (event) => event.target.closest(".dlt-mark") || onPress(...round(...whereIs(event))));
  const paintMarks = (list) => {
    const focused = layer.contains(document.activeElement);
    for (const [key, one] of marks) if (!list.some((mark) => mark.key === key)) one.node.remove(), marks.delete(key);
    for (const mark of list) {
      const at = inBox(mark.x, mark.y), [x, y] = toPixel(at), one = marks.get(mark.key) ?? makeMark(whereIs, round, step);
      one.paint(mark, [x + left, y + TOP], at[0] !== mark.x || at[1] !== mark.y);
      if (!marks.has(mark.key)) layer.append(one.node), marks.set(mark.key, one);
    }
    if (focused && !layer.contains(document.activeElement)) layer.querySelector(".dlt-active")?.focus();
  };
  const paint = (scene) => {
    box = scene.box ?? box;
    const [x, y] = toPixel([0, 0]), draw = (thin) => (curve) => drawCurve({ ...thin, ...curve }, toPixel, side, side);
    inner.replaceChildren(...(scene.shade ? drawShade(scene.shade, box, side) : []), svgEl("path", "dlt-axis", { d: `M${x} 0v${side}M0 ${y}h${side}` }),
      ...(scene.levels ?? []).map(draw({ width: 1 })), ...(scene.curves ?? []).map(draw()));
    ticks(niceTicks(box[0], box[1]).map((v) => [toPixel([v, 0])[0], fmt(v)]), niceTicks(box[2], box[3]).map((v) => [toPixel([0, v])[1], fmt(v)]));
    paintMarks(scene.marks ?? []);
  };
  return { node, paint };
}
