// ConvExplorer: a convolution cell by cell, forward and backward, every number real. The maths is in conv_math.js.

const TRAITS = [...Object.keys(SIZES), "input", "kernel", "upstream", "bias", "flip", "view", "predict", "selected"];
const PANELS = { X: ["input", "input"], W: ["weights", "kernel"], Y: ["output"], dX: ["gradient"], dW: ["gradient"], dY: ["upstream", "upstream"] };
const kindOf = (letter) => letter.at(-1).toLowerCase();
const initial = new WeakMap();
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));

const sizesOf = (s) => Object.keys(SIZES).map((trait) => s[trait]);

/** The traits as they are shown: matrices fit their sizes, the selected output exists, `out` is Y's size. */
function shown(model) {
  const s = snapshot(model);
  s.problems = problems(s);
  s.out = s.problems.length ? [0, 0] : outputSize(s);
  s.input = fit(s.input, s.input_size, numbersAt);
  s.kernel = fit(s.kernel, s.kernel_size, () => 0);
  s.upstream = fit(s.upstream, s.out, upstreamAt);
  s.selected = s.selected.map((i, axis) => Math.max(0, Math.min(i, s.out[axis] - 1)));
  return s;
}

/** Sends traits to the model; a new size brings numbers that fit it. */
function change(model, traits) {
  if (traits.input_size) traits.input ??= resize(INPUTS, model.get("input"), traits.input_size);
  if (traits.kernel_size) traits.kernel ??= resize(KERNELS, model.get("kernel"), traits.kernel_size);
  for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
  model.save_changes();
}

// ---- words and formulas --------------------------------------------------------------------------------

const name = (letter, [r, c]) => `${letter}[${r}, ${c}]`;
const factor = (value) => (value < 0 ? `(${fmt(value)})` : fmt(value));
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const list = (items) => (items.length > 12 ? `${items.slice(0, 12).join(", ")} and ${items.length - 12} more` : items.join(", "));

/** The output-size formula with letters and numbers; one line when height and width agree. */
function sizeFormulas(s, hide) {
  const [h, w] = [0, 1].map((axis) => along(s, axis));
  const line = (left, letter, a) => el("p.dlt-formula", {},
    formula(`${left} =`), formula("⌊", frac(`${letter} + 2P − D(K − 1) − 1`, "S"), "⌋ + 1"),
    formula("= ⌊", frac(`${a.n} + 2 · ${a.p} − ${a.d} · (${a.k} − 1) − 1`, `${a.S}`), "⌋ + 1"),
    formula(`= ${hide ? "?" : outSize(a) || "impossible"}`));
  return same(h, w) ? [line("H_out = W_out", "H", h)] : [line("H_out", "H", h), line("W_out", "W", w)];
}

/** Which rows and columns of X nobody reads, and why. */
function unreadNote(s) {
  const all = unread(s);
  if (all[0].length === s.input_size[0]) return "Never read: all of X. Every window lies in the padding.";
  const parts = all.flatMap((cells, axis) => {
    const { k, S, p, d } = along(s, axis), end = (s.out[axis] - 1) * S - p + reach(k, d);
    const kinds = [["skipped between the taps", cells.filter((i) => i < end)], ["left over by the floor", cells.filter((i) => i >= end)]];
    return kinds.flatMap(([why, some]) => (some.length ? [`${["row", "column"][axis]}${some[1] ? "s" : ""} ${list(some)} (${why})`] : []));
  });
  return parts.length ? `Never read: ${parts.join("; ")}.` : "";
}

/** What the cell in focus does, in words. */
function sentence({ s, focus: { kind, at }, linked }) {
  const padding = linked.filter(({ x: [r, c] }) => s.input[r]?.[c] === undefined).length;
  const outside = padding ? `, ${padding} of them padding` : "";
  if (kind === "y") return `${name("Y", at)} reads ${plural(linked.length, "cell")} of X${outside}.`;
  const uses = linked.map(({ x, y }) => `${name("X", x)} → ${name("Y", y)}`);
  if (kind === "w") return `${name("W", at)} is used ${plural(linked.length, "time")}: ${list(uses)}.`;
  return `${name("X", at)} is read by ${plural(linked.length, "output")}${linked.length ? ": " : ""}${list(linked.map(({ y }) => name("Y", y)))}.`;
}

/** The sum behind the cell in focus: the output; backward also the gradient of an input or a weight. */
function sumOf(now) {
  const { s, focus: { kind, at }, linked } = now;
  if (kind !== "y" && s.view !== "backward") return null;
  const [letter, a, b] = { y: ["Y", "X", "W"], x: ["dX", "dY", "W"], w: ["dW", "dY", "X"] }[kind];
  const terms = linked.map((link) => [a, b].map((one) => factor(valueAt(now, one, link[kindOf(one)]))).join(" · "));
  const plus = kind === "y" && s.bias ? ` + ${factor(s.bias)}` : "";
  const rest = terms.length > 49 ? [`+ ${terms.length - 49} more`] : [];
  const result = isHidden(now, letter, at) ? "?" : fmt(valueAt(now, letter, at));
  const parts = [formula(`${name(letter, at)} = Σ ${a} · ${b}${plus && " + b"} =`),
    ...terms.slice(0, 49).map((term, i) => formula(i ? `+ ${term}` : term)), ...rest, formula(`${plus} = ${result}`)];
  return { text: `${name(letter, at)} = ${result}.`, parts };
}

// ---- drawing -------------------------------------------------------------------------------------------

const valueAt = (now, letter, [r, c]) => now.values[letter][r]?.[c] ?? 0;
const isHidden = ({ s, hideSize, hideValue }, letter, at) => (hideSize && kindOf(letter) === "y") || (hideValue && letter === "Y" && same(at, s.selected));

/** All that one drawing needs: the numbers, the cell in focus, and the cells that are linked to it. */
function scene(s, { point, pin, counts }) {
  const pinned = pin ?? { kind: "y", at: s.selected }, focus = point ?? pinned, valid = !s.problems.length;
  const { dx: dX, dw: dW } = gradients(s, s.input, s.kernel, s.upstream);
  const linked = valid ? links(s, focus.kind, focus.at) : [];
  const [x, w, y] = ["x", "w", "y"].map((kind) => new Map(linked.map((link) => [String(link[kind]), link])));
  const values = { X: s.input, W: s.kernel, Y: convolve(s, s.input, s.kernel, s.bias), dX, dW, dY: s.upstream };
  return { s, valid, focus, pinned, linked, marks: { x, w, y }, values, uses: usage(s), counts };
}

/** How one cell looks and what it says; `most` is the largest magnitude of its panel. */
function cellOf(now, { letter, kind, trait }, at, most) {
  const { focus, uses, open } = now, given = now.values[letter][at[0]]?.[at[1]], value = given ?? 0, pad = given === undefined;
  const is = (one) => one.kind === kind && String(one.at) === String(at), link = now.marks[kind].get(String(at));
  const hidden = isHidden(now, letter, at), used = kind === "x" && !pad && open ? uses[at[0]][at[1]] : 1;
  const counted = now.counts && letter === "X" && !pad && open;
  const marks = { on: link, focus: is(focus), unread: !used, negative: value < 0 && !hidden, pad };
  const more = pad ? ", padding" : counted || !used ? `, read ${plural(used, "time")}` : "";
  return {
    pinned: is(now.pinned),
    text: hidden ? "?" : counted ? `${used}×` : fmtCell(value),
    label: `${name(letter, at)} = ${hidden ? "?" : fmt(value) + more}`,
    shade: hidden ? 0 : counted ? used / Math.max(1, ...uses.flat()) : Math.abs(value) / most,
    value: trait && given,
    note: link && letter === "X" && focus.kind === "y" ? `×${fmtCell(valueAt(now, "W", link.w))}` : undefined,
    cls: Object.keys(marks).filter((key) => marks[key]).map((key) => `dlt-${key}`).join(" "),
  };
}

function makePanel(letter, set, state, draw) {
  const [title, trait] = PANELS[letter], kind = kindOf(letter), label = `${letter}, ${title}`;
  let now;
  const margin = () => (letter === "X" ? state.s.padding : [0, 0]);
  const place = (cell) => cell && { kind, at: cell.map((i, axis) => i - margin()[axis]) };
  const grid = numberGrid({
    label,
    onPoint: (cell) => draw({ point: place(cell) }),
    onPin: (cell) => {
      if (cell && kind === "y") set({ selected: cell });
      draw({ pin: kind === "y" ? null : place(cell) });
    },
    onEdit: (r, c, value) => {
      const { at } = place([r, c]);
      set({ [trait]: state.s[trait].map((row, i) => row.map((old, j) => (same([i, j], at) ? value : old))) });
    },
  });
  const size = el("span");
  const node = el(`section.dlt-panel.dlt-${letter}`, {}, el("p", {}, el("b", {}, letter), ` ${title} `, size), el("div.dlt-scroll", {}, grid.node));
  const paint = (latest) => {
    now = latest;
    const { s, valid } = now, secret = kind === "y" && now.hideSize, [ph, pw] = margin();
    const [h, w] = secret ? [1, 1] : { x: s.input_size, w: s.kernel_size, y: s.out }[kind];
    node.hidden = (letter[1] && s.view !== "backward") || (kind === "y" && !valid);
    if (node.hidden) return;
    const most = Math.max(1e-9, ...now.values[letter].flat().map(Math.abs));
    size.textContent = secret ? "? × ?" : `${h} × ${w}`;
    grid.node.style = `--ph: ${ph}; --pw: ${pw}`;
    grid.paint(h + 2 * ph, w + 2 * pw, (r, c) => cellOf(now, { letter, kind, trait }, [r - ph, c - pw], most));
  };
  const words = () => ({ caption: label, rows: now.values[letter].map((row, r) => row.map((value, c) => (isHidden(now, letter, [r, c]) ? "?" : value))) });
  return { node, paint, table: words };
}

/** The fields, by trait; those of `input` and `kernel` are the two lists of presets. */
function makeFields(model, set) {
  const preset = (label, trait, presets) => {
    const options = [["", "edited"], ...Object.keys(presets).map((key) => [key, key])];
    const field = selectField({ label, options, onChange: (key) => key && set({ [trait]: presets[key](...model.get(`${trait}_size`)) }) });
    return { node: field.node, set: (rows) => field.set(presetOf(presets, rows)) };
  };
  const back = checkField({ label: "backward pass", onChange: (on) => set({ view: on ? "backward" : "forward" }) });
  const pairs = Object.entries(SIZES).map(([label, [min, max]]) =>
    [label, pairField({ label, min, max, onChange: (value) => set({ [label]: value }) })]);
  return {
    ...Object.fromEntries(pairs),
    input: preset("Input", "input", INPUTS),
    kernel: preset("Weights", "kernel", KERNELS),
    view: { node: back.node, set: (view) => back.set(view === "backward") },
    predict: selectField({ label: "Predict", options: [["off", "nothing"], ["size", "Y’s size"], ["value", "a value"]], onChange: (predict) => set({ predict }) }),
    flip: checkField({ label: "flip the kernel", onChange: (flip) => set({ flip }) }),
    bias: numberField({ label: "bias", min: -99, max: 99, whole: false, onChange: (bias) => set({ bias }) }),
  };
}

/** Starts or ends a question; what it asks for stays hidden until it is answered. */
function askQuestion(box, now) {
  const { s } = now;
  box.node.hidden = s.predict === "off" || !now.valid;
  const cell = s.predict === "value" && name("Y", s.selected);
  if (box.node.hidden) box.reset();
  else box.ask({
    key: JSON.stringify([sizesOf(s), cell && [cell, s.input, s.kernel, s.bias, s.flip]]),
    question: cell ? `What is ${cell}?` : "How large is Y?",
    names: cell ? ["value"] : AXES,
    answer: cell ? [valueAt(now, "Y", s.selected)] : s.out,
  });
  now.hideValue = box.hidden() && cell;
  now.hideSize = box.hidden() && !cell;
  now.open = now.valid && !now.hideSize;
}

/** Everything on the page that stays while the numbers change. */
function buildPage(model, state, set, draw) {
  const page = {
    fields: makeFields(model, set),
    panels: Object.keys(PANELS).map((letter) => makePanel(letter, set, state, draw)),
    box: predictBox({ onReveal: () => draw(), tolerance: 0.005 }),
    live: announcer(),
    steps: stepper({ label: "Output position", onStep: (i) => {
      draw({ pin: null, point: null });
      set({ selected: [Math.floor(i / state.s.out[1]), i % state.s.out[1]] });
    } }),
    tables: tableAlternative("The numbers as tables", () => page.panels.flatMap(({ node, table }) => (node.hidden ? [] : [table()]))),
  };
  for (const part of ["trouble", "sizes", "note", "words", "sum"]) page[part] = el(`div.dlt-${part}`);
  const { input, kernel, predict, view, flip, bias, ...pairs } = page.fields;
  const nodes = (fields) => Object.values(fields).map(({ node }) => node);
  const bar = (fields) => el("div.dlt-bar", {}, ...nodes(fields));
  const map = checkField({ label: "how often X is read", onChange: (counts) => draw({ counts }) });
  const reset = () => {
    page.box.reset();
    draw({ pin: null });
    set({ ...initial.get(model) });
  };
  page.reading = el("div.dlt-reading", {}, page.words, page.sum);
  page.stage = el("div.dlt-stage", {}, ...nodes(page.panels));
  page.node = el("div.dlt-widget.dlt-card.dlt-conv", { role: "group", ariaLabel: "Convolution explorer" },
    bar({ input, kernel, predict }), el("div.dlt-pairs", {}, ...nodes(pairs)),
    bar({ bias, flip, map, view }), page.trouble, page.box.node, page.stage, page.steps.node, page.reading, page.sizes, page.note,
    el("div.dlt-bar", {}, button("Reset", reset), copyButton("Copy PyTorch code", () => code(state.s))), page.tables.node, page.live.node);
  return page;
}

function drawPage(page, state) {
  const { s } = state, { out, selected } = s, now = scene(s, state);
  askQuestion(page.box, now);
  const { open } = now, sum = open && sumOf(now);
  const [x, k, y] = [s.input_size[1] + 2 * s.padding[1], s.kernel_size[1], out[1]].map((cols) => Math.max(4, cols));
  page.stage.style = `--all: ${x + k + y}; --wide: ${Math.max(x, k + y + 1)}`;
  page.stage.classList.toggle("dlt-roomy", x + k + y < 18);
  for (const panel of page.panels) panel.paint(now);
  page.words.textContent = open ? sentence(now) : "";
  page.sum.replaceChildren(...(sum ? sum.parts : []));
  page.sizes.replaceChildren(...sizeFormulas(s, now.hideSize));
  page.note.textContent = open ? unreadNote(s) : "";
  page.steps.node.hidden = page.reading.hidden = !open;
  page.steps.set(selected[0] * out[1] + selected[1], out[0] * out[1]);
  page.tables.update();
  page.live.say(page.trouble.textContent || `${page.words.textContent} ${sum ? sum.text : ""}`);
}

function render({ model, el: host }) {
  const state = { s: shown(model), point: null, pin: null, counts: false };
  const set = (traits) => change(model, traits);
  const draw = (more) => drawPage(page, Object.assign(state, more));
  const page = buildPage(model, state, set, draw);
  const fix = ({ message, name: trait, axis, value }) => el("p", {}, message, " ", button(`Set ${trait} ${AXES[axis]} to ${value}`,
    () => set({ [trait]: state.s[trait].map((old, i) => (i === axis ? value : old)) })));
  const update = () => {
    const s = shown(model);
    if (!same(sizesOf(s), sizesOf(state.s))) state.pin = state.point = null;
    for (const [trait, field] of Object.entries(page.fields)) field.set(s[trait]);
    page.trouble.replaceChildren(...s.problems.map(fix));
    draw({ s });
  };
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const math = { numberProblem, outputSize, problems, links, convolve, gradients, usage, unread, code, resize, INPUTS, KERNELS };
export default { initialize: ({ model }) => void initial.set(model, snapshot(model)), render, math };
