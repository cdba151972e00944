// DigitReader: draw a digit and follow it through a trained network. The maths is in digit_math.js.

const TRAITS = ["pixels", "example", "layer", "map", "cell", "predict"];
const initial = new Map(); // by layout: each view has a model object of its own
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
const fixed = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
const rowsOf = (values, cols) => make(values.length / cols, (r) => values.slice(r * cols, (r + 1) * cols));
const largest = (numbers) => Math.max(1e-9, ...numbers.map(Math.abs));

// A layer's values have a shape [maps, rows, columns]; a vector has [1, 1, n] and is drawn in rows of equal length.
const isVector = ([C, h]) => C * h === 1;
const colsOf = (shape) => (isVector(shape) ? [8, 7, 6, 5, 4, 3, 2, 1].find((cols) => shape[2] % cols === 0) : shape[2]);
const placeOf = ([, h, w], i) => [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
const nameOf = (letter, shape, i) => `${letter}[${isVector(shape) ? i : placeOf(shape, i).join(", ")}]`;
const shapeAt = (net, layer) => net[layer - 1]?.shape ?? [1, SIDE, SIDE];
const titleOf = (net, layer) => `${layer} ${net[layer - 1]?.text ?? "input"}`;

/** The traits as they are shown, and what follows from them; `i` is the chosen cell among all of its layer. */
function shown(model, net, { point, before }) {
  const s = snapshot(model), values = forward(net, s.pixels), probs = softmax(values.at(-1));
  const layer = Math.min(s.layer, net.length), it = net[layer - 1], shape = shapeAt(net, layer), [C, h, w] = shape, map = Math.min(s.map, C - 1);
  const numbers = rowsOf(values[layer], h * w)[map], i = map * h * w + (point ?? Math.min(s.cell[0], h - 1) * w + Math.min(s.cell[1], w - 1)), terms = it ? termsOf(it, values[layer - 1], i) : [];
  return { ...s, net, values, probs, answer: best(probs), layer, it, shape, map, i, terms, before, numbers, cols: colsOf(shape),
    name: nameOf(it ? "y" : "x", shape, i), label: model.get("labels")[s.example], old: before && softmax(before.at(-1)) };
}

// ---- words and formulas --------------------------------------------------------------------------------

const bySize = (terms) => [...terms].sort((a, b) => Math.abs(b.part) - Math.abs(a.part));
const moved = (old, now) => now.filter((p, k) => Math.abs(p - old[k]) > 0.05).length;

function answerWords({ answer, probs, label, old, pixels }) {
  const said = `It says ${answer}, with probability ${fixed(probs[answer])}.`;
  if (!pixels.flat().some(Boolean)) return `Nothing is drawn. ${said} It was never taught “nothing”, and its ten probabilities always sum to 1. Draw a digit, or press Undo.`;
  const verdict = label === undefined ? "" : ` The label is ${label}: ${label === answer ? "right" : "wrong"}.`;
  return said + verdict + (old ? ` Before, it said ${best(old)}; ${moved(old, probs)} of the ten probabilities changed by more than 0.05.` : "");
}

function softmaxFormula({ values, probs, answer }) {
  const z = values.at(-1), e = (power) => ml("msup", "e", ml("mrow", power)), sub = (letter, k) => ml("msub", letter, k), k = String(answer);
  return formula(sub("p", k), "=", ml("mfrac", e(sub("z", k)), ml("mrow", "Σ", e(sub("z", "i")))), "=",
    ml("mfrac", e(fixed(z[answer], 2)), ml("mrow", fmt(z.reduce((sum, one) => sum + Math.exp(one), 0)))), `= ${fixed(probs[answer])}`);
}

/** What the chosen cell reads, in words. */
function readsWords({ it, terms, name, values, layer, net, i, shape }) {
  const [map, r, c] = placeOf(shape, i), place = isVector(shape) ? "" : `Map ${map}, row ${r}, column ${c}: `;
  const all = terms.filter(({ j }) => j >= 0).map(({ j }) => nameOf("x", it.from, j)), cells = all.length > 1 ? `${all[0]} to ${all.at(-1)}` : all[0];
  return `${place}${name} = ${fmt(values[layer][i])}` + (cells ? ` reads ${cells} of ${titleOf(net, layer - 1)}.` : ".");
}

/** Terms as a small table of their x, w or part; one may be the winner. */
const mini = (terms, key, cols, most, winner) => el("table.dlt-mini", {}, el("tbody", {}, ...rowsOf(terms, cols).map((row) => el("tr", {}, ...row.map((term) =>
  el("td", { style: `--shade: ${Math.abs(term[key]) / most}`, className: (term === winner ? "dlt-win" : term.j < 0 && key === "x" ? "dlt-pad" : "") + (term[key] < 0 ? " dlt-negative" : "") }, fmtCell(term[key])))))));

/** The formula behind the chosen cell with its numbers, and for windows the numbers themselves. */
function behind({ it, i, values, layer, terms, name }) {
  const value = values[layer][i], is = `= ${fmt(value)}`, line = (text, ...pieces) => el("p.dlt-formula", {}, formula(ml("mi", name), text), ...pieces.map((piece) => formula(piece)), formula(is));
  if (!it) return [line(`= ${fmt(16 * value)} / 16`)];
  const { kind, kernel, from } = it, cols = kernel?.[1], x = (term) => ml("mi", nameOf("x", from, term.j));
  const most = (key) => largest(terms.map((term) => term[key])), sum = (some) => some.reduce((all, { part }) => all + part, 0), signed = (v) => `${v < 0 ? "−" : "+"} ${fmt(Math.abs(v))}`;
  if (kind === "Flatten") return [line("=", x(terms[0]))];
  if (kind === "ReLU") return [line("= max(0,", x(terms[0]), `) = max(0, ${fmt(terms[0].x)})`)];
  if (kind === "MaxPool2d") {
    const inside = terms.filter(({ j }) => j >= 0), winner = inside.find((term) => term.x === value);
    return [line(`= max(${inside.map((term) => fmt(term.x)).join(", ")})`, "=", x(winner)), mini(terms, "x", cols, most("x"), winner)];
  }
  const factor = (v) => (v < 0 ? "(" + fmt(v) + ")" : fmt(v)), head = ["= b + Σ x · w", `= ${fmt(biasOf(it, i))}`], parts = rowsOf(terms, kernel ? kernel[0] * cols : 1);
  if (kernel) return [line(...head, ...parts.map((part) => signed(sum(part)))), el("div.dlt-parts", {}, ...parts.map((part) => el("div", {},
    `map ${placeOf(from, Math.max(0, ...part.map(({ j }) => j)))[0]}: window · kernel, sum ${fmt(sum(part))}`,
    el("div.dlt-product", {}, mini(part, "x", cols, most("x")), "·", mini(part, "w", cols, most("w")), "=", mini(part, "part", cols, most("part"))))))];
  const sorted = bySize(terms), rest = sorted.splice(8);
  return [line(...head, ...sorted.map((term) => `+ ${factor(term.x)} · ${factor(term.w)}`), signed(sum(rest))),
    `Bias b, the ${sorted.length} largest products (framed: x[${sorted.map(({ j }) => j).join("], x[")}]), the other ${rest.length} together.`];
}

// ---- pictures ------------------------------------------------------------------------------------------

/** Draws numbers on a canvas: lightness is size, a stroke through a cell is a minus sign, some cells have a frame. */
function drawNumbers(canvas, values, cols, most = largest(values), marked = () => false) {
  const g = canvas.getContext("2d"), n = canvas.width / cols, at = (i) => [(i % cols) * n, Math.floor(i / cols) * n];
  g.clearRect(0, 0, canvas.width, canvas.height);
  Object.assign(g, { strokeStyle: "#000", lineWidth: 1.5 });
  values.forEach((value, i) => {
    const [x, y] = at(i), size = Math.abs(value) / most;
    g.globalAlpha = (value < 0 ? 0.5 : 0.9) * size; // strokes must show, and add ink themselves
    if (size) g.fillRect(x, y, n, n);
    if (value >= 0) return;
    g.globalAlpha = 0.7;
    g.beginPath();
    for (let d = n / 4; d < 2 * n; d += n / 2) {
      g.moveTo(x + Math.max(0, d - n), y + Math.min(d, n));
      g.lineTo(x + Math.min(d, n), y + Math.max(0, d - n));
    }
    g.stroke();
  });
  Object.assign(g, { globalAlpha: 1, strokeStyle: "#0072b2", lineWidth: 3 });
  values.forEach((_, i) => marked(i) && g.strokeRect(at(i)[0] + 2, at(i)[1] + 2, n - 4, n - 4));
}

/** A canvas for one map or vector. */
function canvasFor(shape) {
  const cols = colsOf(shape), scale = 128 / cols;
  return el("canvas", { width: 128, height: (shape[1] * shape[2] * scale) / cols, ariaHidden: true });
}

/** The whole network: a row for each layer with its name, its maps as buttons, and how much they changed. */
function overview(net, set) {
  const rows = make(net.length + 1, (layer) => {
    const shape = shapeAt(net, layer), [C, h, w] = shape, canvases = make(C, () => canvasFor(shape)), changed = el("span.dlt-name");
    const choose = button("", () => set({ layer })), maps = canvases.map((canvas, map) => el("button.dlt-picture", { type: "button", onclick: () => set({ layer, map }), ariaLabel: `Layer ${layer}, map ${map}` }, canvas));
    choose.append(titleOf(net, layer), el("span", {}, " ", isVector(shape) ? w : shape.join(" × ")));
    const row = el(`div.dlt-layer${isVector(shape) ? ".dlt-vector" : ""}`, {}, choose, el("span", {}, ...maps), changed);
    const paint = (now) => {
      const on = layer === now.layer, hide = now.hide && layer === net.length, values = now.values[layer], most = largest(values);
      const reads = new Set(on ? [now.i] : layer === now.layer - 1 ? (now.it.kernel ? now.terms : bySize(now.terms).slice(0, 8)).map(({ j }) => j) : []);
      choose.ariaPressed = on;
      row.classList.toggle("dlt-near", on || layer === now.layer - 1);
      maps.forEach((one, map) => {
        one.tabIndex = on ? 0 : -1; // the other layers' maps are one press on their layer away
        one.ariaPressed = on && map === now.map;
        one.hidden = hide;
        drawNumbers(canvases[map], rowsOf(values, h * w)[map], colsOf(shape), most, (i) => reads.has(map * h * w + i));
      });
      const change = now.before && !hide ? changeOf(now.before[layer], values) : NaN;
      changed.textContent = change >= 0 ? `changed by ${Math.round(100 * change)} %` : "";
    };
    return { row, paint };
  });
  return { node: el("div.dlt-overview", { role: "group", ariaLabel: "All layers" }, ...rows.map(({ row }) => row)), paint: (now) => rows.forEach(({ paint }) => paint(now)) };
}

/** The drawing: 8 × 8 cells for the keyboard over 32 × 32 fine cells for mouse and finger. */
function drawingPad({ onStart, onMove, onEnd, onToggle }) {
  const canvas = el("canvas", { width: 640, height: 640, ariaHidden: true });
  const grid = numberGrid({ label: "Drawing, 8 × 8 pixels: space inks or erases one", onPoint: () => {}, onPin: (cell) => cell && onToggle(...cell) });
  const node = el("div.dlt-pad", {}, canvas, grid.node);
  let last = null;
  const at = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [((clientY - box.top) * FINE) / box.height, ((clientX - box.left) * FINE) / box.width];
  };
  const on = (type, act) => node.addEventListener(type, act, true);
  on("pointerdown", (event) => {
    if (event.button || last) return;
    node.setPointerCapture(event.pointerId);
    onStart();
    onMove(at(event), (last = at(event)));
  });
  on("pointermove", (event) => last && onMove(last, (last = at(event))));
  on("lostpointercapture", () => {
    last = null;
    onEnd();
  });
  on("touchstart", (event) => event.preventDefault()); // or a fast stroke is a fling, which swallows the next tap
  on("click", (event) => event.detail && event.stopPropagation()); // the press has drawn already
  const paint = (fine, pixels) => {
    drawNumbers(canvas, fine, FINE, 1);
    grid.paint(SIDE, SIDE, (r, c) => ({ text: "", label: `row ${r}, column ${c}: ${fmt(16 * pixels[r][c])} of 16`, pinned: pixels[r][c] > 0.5 }));
  };
  return { node, paint };
}

/** The ten scores and probabilities with bars, and what a change did to them. */
function scoreRows({ values, probs, answer, old, hide }) {
  const line = (tag, cls, ...cells) => el("tr", { className: cls }, ...cells.map((cell) => el(tag, {}, cell)));
  return [line("th", "", "digit", "score z", "p", "", old ? "change" : ""), ...probs.map((p, k) => {
    const by = old && !hide && Math.abs(p - old[k]) >= 0.0005 ? (p < old[k] ? "" : "+") + fixed(p - old[k]) : "", bar = el("i", { style: `width: ${hide ? 0 : 100 * p}%` });
    return line("td", k === answer && !hide ? "dlt-best" : "", String(k), hide ? "?" : fixed(values.at(-1)[k], 2), hide ? "?" : fixed(p), bar, by);
  })];
}

/** The examples with their labels, and in words where the network reads another digit. */
function exampleStrip(model, net, pick) {
  const labels = model.get("labels"), all = model.get("examples").map((pixels, i) => {
    const canvas = canvasFor([1, SIDE, SIDE]), text = el("span"), says = best(forward(net, pixels).at(-1));
    drawNumbers(canvas, pixels.flat(), SIDE, 1);
    const press = button("", () => pick(i));
    press.append(canvas, text);
    return { press, paint: ({ example, hide }) => {
      text.textContent = hide || labels[i] === says ? labels[i] ?? "?" : labels.length ? `${labels[i]}, read as ${says}` : `says ${says}`;
      press.ariaPressed = i === example;
    } };
  });
  const node = el("div.dlt-examples", { role: "group", ariaLabel: "Examples" }, ...all.map(({ press }) => press));
  return { node, paint: (now) => all.forEach(({ paint }) => paint(now)) };
}

// ---- the page ------------------------------------------------------------------------------------------

function askQuestion(box, now, fine) {
  const { predict, net, pixels, probs, answer } = now, digit = predict === "digit";
  box.node.hidden = predict === "off";
  if (box.node.hidden) box.reset();
  else box.ask({ key: predict + pixels, names: [digit ? "digit" : "how many"],
    question: digit ? "Which digit will it say?" : "Move the picture right by one pixel: how many of the ten probabilities change by more than 0.05?",
    answer: [digit ? answer : moved(probs, softmax(forward(net, toPixels(shift(fine, 0, 1))).at(-1)))] });
  now.hide = digit && box.hidden();
}


function tablesOf({ pixels, values, probs, closed, hide, layer, net, map, numbers, cols }) {
  return [{ caption: "The picture, in sixteenths", rows: pixels.map((row) => row.map((v) => 16 * v)) },
    ...(hide ? [] : [{ caption: "Digit, score z, p", rows: probs.map((p, k) => [k, values.at(-1)[k], p]) }]),
    ...(closed ? [] : [{ caption: `${titleOf(net, layer)}, map ${map}`, rows: rowsOf(numbers, cols) }])];
}

function buildPage(state, model, net, act, get) {
  const { set, draw, put } = act, cellAt = (cell) => cell && cell[0] * get().cols + cell[1];
  const page = { box: predictBox({ onReveal: draw }), live: announcer(), overview: overview(net, set), pad: drawingPad(act), examples: exampleStrip(model, net, act.pick) };
  for (const part of ["answer", "softmax", "words", "sum"]) page[part] = el(`div.dlt-${part}`);
  page.pens = ["Erase", "Ink"].map((text, pen) => button(text, () => draw({ pen })));
  page.undo = button("Undo", act.undo);
  page.scores = el("tbody");
  page.angle = el("span.dlt-name");
  page.predict = selectField({ label: "Predict", options: [["off", "nothing"], ["digit", "the digit"], ["change", "what a shift changes"]], onChange: (predict) => set({ predict }) });
  page.steps = stepper({ label: "Layer", onStep: (layer) => set({ layer }) });
  page.grid = numberGrid({ label: "The numbers of the map", onPoint: (cell) => draw({ point: cellAt(cell) }), onPin: (cell) => cell && set({ cell: placeOf(get().shape, cellAt(cell)).slice(1) }) });
  page.tables = tableAlternative("The numbers as tables", () => tablesOf(get()));
  const bar = (label, ...nodes) => el("div.dlt-bar", { role: "group", ariaLabel: label }, ...nodes);
  const shifts = [["←", "left", 0, -1], ["→", "right", 0, 1], ["↑", "up", -1, 0], ["↓", "down", 1, 0]].map(([text, way, r, c]) => button(text, () => put(shift(state.fine, r, c)), { ariaLabel: `Shift ${way} by one pixel` }));
  const turns = [-10, 10].map((by) => button(`${by < 0 ? "↺" : "↻"} 10°`, () => act.rotate(by), { ariaLabel: `Turn ${by < 0 ? "left" : "right"} by 10 degrees` }));
  page.detail = el("div.dlt-detail", {}, el("div.dlt-scroll", {}, page.grid.node), el("div.dlt-reading", {}, page.words, page.sum));
  page.node = el("div.dlt-widget.dlt-card.dlt-digit", { role: "group", ariaLabel: "Digit reader" },
    el("div.dlt-top", {}, el("div", {}, page.pad.node, bar("Pen", page.pens[1], page.pens[0], button("Clear", () => put(state.fine.map(() => 0))), page.undo), bar("Move", ...shifts, ...turns, page.angle)),
      el("div", {}, page.answer, el("table.dlt-scores", {}, page.scores), page.softmax)),
    el("p.dlt-name", {}, "Draw large: the digits it learned fill the square. Counts of its 32 × 32 cells in blocks of 4 × 4 give the 8 × 8 pixels; a turn averages neighboring cells."),
    page.examples.node, bar("Predict", page.predict.node), page.box.node, page.steps.node, page.overview.node, page.detail,
    bar("Program", button("Reset", act.reset), copyButton("Copy PyTorch code", () => code(model.get("program"), get().pixels))), page.tables.node, page.live.node);
  return page;
}

function drawPage(page, now, state) {
  const { net, layer, shape, map, i, it, numbers, cols } = now, first = map * numbers.length, most = largest(now.values[layer]), { turned, fine } = state;
  askQuestion(page.box, now, fine);
  now.closed = page.detail.hidden = now.hide && layer === net.length;
  page.pad.paint(fine, now.pixels);
  page.pens.forEach((one, pen) => (one.ariaPressed = state.pen === pen));
  page.undo.disabled = !state.history.length;
  page.angle.textContent = turned?.fine === fine ? `turned by ${fmt(turned.degrees)}°` : "";
  page.answer.textContent = now.hide ? "What will it say?" : answerWords(now);
  page.scores.replaceChildren(...scoreRows(now));
  page.softmax.replaceChildren(...(now.hide ? [] : [softmaxFormula(now)]));
  for (const part of [page.examples, page.overview]) part.paint(now);
  page.predict.set(now.predict);
  page.steps.set(layer, net.length + 1);
  page.grid.paint(numbers.length / cols, cols, (r, c) => {
    const k = r * cols + c, v = numbers[k], on = first + k === i;
    return { text: fmtCell(v), label: `${nameOf(it ? "y" : "x", shape, first + k)} = ${fmt(v)}`, shade: Math.abs(v) / most, pinned: on, cls: (v < 0 ? "dlt-negative " : "") + (on ? "dlt-focus" : "") };
  });
  page.words.textContent = readsWords(now);
  page.sum.replaceChildren(...behind(now));
  page.tables.update();
  page.live.say(`${page.answer.textContent} ${now.closed ? "" : page.words.textContent}`);
}

function render({ model, el: host }) {
  const net = unpackLayers(model.get("layers"), model.get("weights"));
  const fresh = () => ({ fine: toFine(initial.get(model.get("layout")).pixels), history: [], before: null, point: null, pen: 1, turned: null }), state = fresh();
  let now, waiting = 0;
  const draw = (more) => drawPage(page, (now = shown(model, net, Object.assign(state, more))), state);
  const set = (traits) => {
    for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
    model.save_changes();
  };
  const put = (fine, compare = true, pixels = toPixels(fine), example = null) => {
    state.history = [...state.history, state.fine].slice(-50);
    Object.assign(state, { fine, before: compare ? now.values : null });
    set({ pixels, example });
  };
  const act = {
    set, draw, put,
    pick(example) {
      const pixels = model.get("examples")[example];
      put(toFine(pixels), false, pixels, example);
    },
    undo() {
      Object.assign(state, { fine: state.history.pop(), before: null });
      set({ pixels: toPixels(state.fine), example: null });
    },
    rotate(by) {
      const { from, degrees } = state.turned?.fine === state.fine ? state.turned : { from: state.fine, degrees: 0 }, fine = turn(from, degrees + by);
      state.turned = { from, degrees: degrees + by, fine };
      put(fine);
    },
    onToggle: (r, c) => put(state.fine.map((old, i) => (i >> 7 === r && (i % FINE) >> 2 === c ? Number(now.pixels[r][c] <= 0.5) : old))),
    onStart: () => put(state.fine),
    onMove(from, to) {
      state.fine = stroke(state.fine, from, to, state.pen);
      waiting ||= requestAnimationFrame(() => ((waiting = 0), model.set("pixels", toPixels(state.fine))));
    },
    onEnd: () => set({ pixels: toPixels(state.fine) }),
    reset() {
      page.steps.stop();
      page.box.reset();
      Object.assign(state, fresh());
      set(initial.get(model.get("layout")));
      draw();
    },
  };
  const page = buildPage(state, model, net, act, () => now), update = () => {
    const pixels = model.get("pixels");
    if (String(toPixels(state.fine)) !== String(pixels)) Object.assign(state, { fine: toFine(pixels), before: null });
    draw();
  };
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const math = { unpackLayers, forward, softmax, toFine, toPixels, stroke, shift, turn, code };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model)), render, math };
