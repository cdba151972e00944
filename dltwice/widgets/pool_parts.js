// What PoolExplorer's page has besides panels: arrows to the winners, the bright pixel, the table of shifts.

const svgNode = (tag, cls) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  node.setAttribute("class", cls);
  return node;
};

/** An arrow from one cell to another, as a path; "" when an end is scrolled out of sight. */
function arrowPath(stage, from, to) {
  const origin = stage.getBoundingClientRect(), [[x0, y0, size], [x1, y1, seen]] = [from, to].map((node) => {
    const box = node.getBoundingClientRect(), view = node.closest(".dlt-scroll").getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    return [x, y, x > view.left && x < view.right && y > view.top && y < view.bottom && box.width];
  });
  if (!size || !seen) return "";
  const far = Math.hypot(x1 - x0, y1 - y0), [ux, uy] = [(x1 - x0) / far, (y1 - y0) / far], tip = size * 0.42;
  const at = (along, side) => `${(x1 - origin.left - ux * along - uy * side).toFixed(1)} ${(y1 - origin.top - uy * along + ux * side).toFixed(1)}`;
  return `M${at(far - tip, 0)}L${at(tip, 0)}M${at(tip + 8, 5)}L${at(tip, 0)}L${at(tip + 8, -5)}`;
}

/** Arrows from outputs to the cells that won, and from their gradients: of all, or where there are many of those in focus. */
function arrowLayer(stage, panels) {
  const layer = svgNode("svg", "dlt-arrows"), rest = svgNode("path", "dlt-rest"), main = svgNode("path", "dlt-main");
  const [X, Y, dX, dY] = panels;
  let now = null;
  layer.ariaHidden = "true";
  layer.append(rest, main);
  stage.append(layer);
  const draw = () => {
    const paths = { rest: "", main: "" }, { s, open, secret, all, focus: { kind, at }, readers } = now;
    const inFocus = (y) => (kind === "y" ? same(y, at) : readers.some((one) => one.share && same(one.y, y)));
    if (open && !secret) all.forEach((row, r) => row.forEach(({ winner }, c) => {
      if (!winner || (all.flat().length > 16 && !inFocus([r, c]))) return;
      for (const [from, to] of s.view === "backward" ? [[Y, X], [dY, dX]] : [[Y, X]])
        paths[inFocus([r, c]) ? "main" : "rest"] += arrowPath(stage, from.cellAt([r, c]), to.cellAt(winner.at));
    }));
    rest.setAttribute("d", paths.rest);
    main.setAttribute("d", paths.main);
  };
  const paint = (latest) => {
    now = latest;
    draw();
  };
  new ResizeObserver(() => now && stage.isConnected && draw()).observe(stage);
  stage.addEventListener("scroll", draw, true);
  return { paint };
}

/** The bright pixel over its cell of X: dragged by mouse or finger, moved by arrow keys; a click pins its cell. */
function pixelMark(panel, state, draw, move) {
  const point = (on) => draw({ point: on ? { kind: "x", at: state.s.pixel } : null });
  let start = null, dragged = false;
  const to = (from, at) => {
    const { pixel, input_size } = state.s, end = at.map((i, axis) => Math.max(0, Math.min(i, input_size[axis] - 1)));
    if (same(end, pixel)) return;
    move(from, end);
    draw({ point: { kind: "x", at: end } });
  };
  const onpointermove = (event) => {
    if (!start) return;
    const box = panel.cellAt([0, 0]).getBoundingClientRect(), step = box.width - 1;
    const at = [(event.clientY - box.top) / step, (event.clientX - box.left) / step].map(Math.floor);
    dragged ||= !same(at, start);
    if (dragged) to(start, at);
  };
  const onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    to(state.s.pixel, state.s.pixel.map((i, axis) => i + step[axis]));
  };
  const node = el("button.dlt-pixel", {
    type: "button", onpointermove, onkeydown, onfocus: () => point(true), onblur: () => point(false),
    onpointerenter: () => point(true), onpointerleave: () => start || point(false),
    onpointerdown: (event) => {
      [start, dragged] = [state.s.pixel, false];
      node.setPointerCapture(event.pointerId);
    },
    onpointerup: () => (start = null), onpointercancel: () => (start = null),
    onclick: () => dragged || draw({ pin: { kind: "x", at: state.s.pixel } }),
  });
  panel.board.append(node);
  const paint = ({ pixel, padding }) => {
    node.hidden = !pixel;
    if (!pixel) return;
    node.ariaLabel = `Bright pixel at ${name("X", pixel)}: drag it, or move it with the arrow keys`;
    node.style = `--row: ${pixel[0] + padding[0]}; --col: ${pixel[1] + padding[1]}`;
  };
  return { paint };
}

/** How many outputs change when X moves by one cell, for max, average and picking; its buttons move X. */
function shiftTable(onShift) {
  const head = Object.keys(WHERE).map((word) => el("th", {}, button(SIGNS[word], () => onShift(word), { ariaLabel: `Shift X ${word} by one cell` })));
  const body = el("tbody"), caption = el("caption");
  const foot = el("p.dlt-note", {}, "Picking keeps the first cell of X in each window. Zeros come in from outside.");
  const node = el("section.dlt-shift", {}, el("table", {}, caption, el("thead", {}, el("tr", {}, el("td"), ...head)), body), foot);
  const paint = (s) => {
    const total = s.out[0] * s.out[1];
    caption.textContent = `Shift X by one cell: how many of the ${plural(total, "output")} change`;
    const row = ([way, counts]) => el(way === s.kind ? "tr.dlt-own" : "tr", {}, el("th", { scope: "row" }, way),
      ...Object.values(counts).map((some) => el("td", { style: `--shade: ${some / total}` }, `${some}`)));
    body.replaceChildren(...Object.entries(shiftCounts(s, s.input)).map(row));
  };
  return { node, paint };
}
