// FeatureMapCalculator: what each layer of a small network makes of an image, live.

// ---- formulas ------------------------------------------------------------------------------------------

/** A name, the formula in letters, in numbers, and its result; each part may wrap to a line of its own. */
function formulaLine(name, letters, numbers, result) {
  const parts = [letters, ["= ", ...numbers], ["= ", ml("mn", count(result))]].map((part) => formula(...part));
  return el("div.dlt-formula", {}, el("span.dlt-name", {}, name), el("span", {}, ...parts));
}

function sizeFormula(layer, n, axis, square) {
  const sizes = windowOf(layer, axis), [K, S, before, after, D, ceil] = sizes;
  const letter = "HW"[axis], [open, close] = ceil ? "⌈⌉" : "⌊⌋", size = outputSize(n, sizes);
  const dropped = ceil && size <= Math.ceil((n + before + after - D * (K - 1) - 1) / S) ? " − 1" : "";
  const padding = before === after ? `2 · ${before}` : `${before} + ${after}`;
  return formulaLine(square ? "Height, width" : ["Height", "Width"][axis],
    [`${letter}_out = ${open}`, frac(`${letter} + 2 P − D (K − 1) − 1`, "S"), `${close} + 1`],
    [open, frac(`${n} + ${padding} − ${D} · (${K} − 1) − 1`, `${S}`), `${close} + 1${dropped}`], size);
}

/** The lines for a layer that runs: `shape` goes in, `before` is the row of the layer in front of it. */
function formulaLines(layer, shape, row, before) {
  const { type, kernel_size: K, stride, dilation: D = [1, 1], padding, groups, bias } = layer, { shape: out } = row;
  const lines = [], plus = bias ? " + 1" : "";
  const add = (name, letters, numbers, result) => lines.push(formulaLine(name, [letters], [numbers], result));
  if (K) {
    const square = [K, stride, D, padding, shape.slice(1)].every((pair) => typeof pair === "string" || pair[0] === pair[1]);
    for (const axis of square ? [0] : [0, 1]) lines.push(sizeFormula(layer, shape[axis + 1], axis, square));
  }
  if (type === "Conv2d") {
    const C = groups > 1 ? "(C / G)" : "C", taps = `${shape[0] / groups} · ${K.join(" · ")}`;
    add("Parameters", `F · (${C} · K · K${plus})`, `${out[0]} · (${taps}${plus})`, row.parameters);
    add("Multiply-adds", `F · H_out · W_out · ${C} · K · K`, `${out.join(" · ")} · ${taps}`, row.multiply_adds);
  } else if (type === "Linear") {
    const inputs = shape.at(-1);
    add("Parameters", `out · (in${plus})`, `${out.at(-1)} · (${inputs}${plus})`, row.parameters);
    if (!out[1]) add("Multiply-adds", "out · in", `${out[0]} · ${inputs}`, row.multiply_adds);
  } else if (type === "Flatten" && shape[1]) add("Numbers", "C · H · W", shape.join(" · "), out[0]);
  if (K) {
    const [r] = before.receptive_field, [j] = before.jump;
    add("Receptive field", "r + D (K − 1) · j", `${r} + ${D[0]} · (${K[0]} − 1) · ${j}`, row.receptive_field[0]);
    add("Jump", "j · S", `${j} · ${stride[0]}`, row.jump[0]);
  }
  return lines;
}

// ---- a layer's settings --------------------------------------------------------------------------------

const [ONES, TWOS, ZEROS] = [1, 2, 0].map((n) => [n, n]);
const NEW_LAYERS = {
  Conv2d: { out_channels: 8, kernel_size: [3, 3], stride: ONES, padding: ZEROS, dilation: ONES, groups: 1, bias: true, in_channels: null },
  MaxPool2d: { kernel_size: TWOS, stride: TWOS, padding: ZEROS, dilation: ONES, ceil_mode: false },
  AvgPool2d: { kernel_size: TWOS, stride: TWOS, padding: ZEROS, ceil_mode: false },
  ReLU: {},
  Flatten: {},
  Linear: { out_features: 10, bias: true, in_features: null },
};

/** A number with its name above, as a pair has it. */
function namedNumber(options) {
  const { node, set } = numberField({ ...options, text: "" });
  return { node: el("div.dlt-pair", {}, el("span.dlt-name", {}, options.label), node), set };
}

/** Padding is numbers, "same" or "valid". */
function paddingMode(onChange) {
  const options = [["", "numbers"], ["same", "same"], ["valid", "valid"]];
  const change = (mode) => onChange({ padding: mode || ZEROS });
  const { node, set } = selectField({ label: "padding by", options, onChange: change });
  node.classList.add("dlt-pair");
  return { node, set: ({ padding }) => set(typeof padding === "string" ? padding : "") };
}

/** The fields of one layer's settings, each { node, set(layer) }; `onChange` gets the settings that changed. */
function layerFields(layer, onChange) {
  const fields = [];
  for (const [key, value] of Object.entries(layer)) {
    const options = { label: key, min: key === "padding" ? 0 : 1, onChange: (next) => onChange({ [key]: next }) };
    const field = typeof value === "boolean" ? checkField(options)
      : typeof value === "number" ? namedNumber({ ...options, max: 1e6 })
      : key === "padding" || Array.isArray(value) ? pairField({ ...options, max: 1000 }) : null;
    if (!field) continue;
    if (key === "padding" && layer.type === "Conv2d") fields.push(paddingMode(onChange));
    fields.push({ node: field.node, set(now) {
      field.node.hidden = typeof now[key] === "string";
      if (!field.node.hidden) field.set(now[key]);
    } });
  }
  return fields;
}

// ---- the picture and the table -------------------------------------------------------------------------

/** A block as high as log H and as wide as log C, with its shape below; `state` says why it has none. */
function blockParts(name, shape, state) {
  const [C, H = 1] = shape ?? [];
  const style = state ? "" : `width: ${4 + 4 * Math.log2(C)}px; height: ${4 + 7 * Math.log2(H)}px`;
  const sign = { breaks: "✕", "": "" }[state] ?? "?";
  return [el("span.dlt-shape", {}, el("span", { style }, sign)), el("b", {}, name), el("span", {}, state || shape.join("×"))];
}

function drawBlocks({ blocks }, { layers, selected, rows, state, input }, select, focus) {
  const held = focus || blocks.contains(document.activeElement);
  blocks.replaceChildren(el("div.dlt-block", { "data-state": "" }, ...blockParts("input", input, "")), ...layers.map(({ type }, i) =>
    el("button.dlt-block", {
      type: "button", "data-state": state(i), tabIndex: i === selected ? 0 : -1, ariaPressed: String(i === selected),
      ariaLabel: `Layer ${i + 1}, ${type}: ${state(i) || times(rows[i].shape)}`, onclick: () => select(i),
    }, ...blockParts(type, rows[i]?.shape, state(i)))));
  if (held) blocks.children[selected + 1]?.focus();
}

const COLUMNS = ["Output", "Parameters", "Multiply-adds", "Receptive field", "Jump"];

/** A row of the table; a cell without text stays empty. `display: grid` would hide the roles, so they are said. */
function tableRow(name, texts, { note, ...props } = {}) {
  const cells = COLUMNS.map((column, i) => el("td", { role: "cell", "data-name": column, "data-text": texts[i] ?? "" },
    texts[i] ?? "", i || !note ? "" : el("small", {}, note)));
  return el("tr", { role: "row", ...props }, el("th", { role: "rowheader", scope: "row" }, name), ...cells);
}

/** The table of all layers, the text alternative of the blocks; `state(i)` says why a row has no numbers. */
function layerTable({ input, layers, rows, selected, state }, select) {
  const body = layers.map((layer, i) => {
    const shape = i ? rows[i - 1]?.shape : input, row = state(i) ? null : rows[i];
    const name = layerCode(layer, (state(i) !== "?" && shape) || ["…", "…", "…"]).slice(3);
    const texts = row ? [times(row.shape), count(row.parameters), count(row.multiply_adds), times(row.receptive_field),
      row.shape[1] ? pythonText(row.jump) : "–"] : [state(i)];
    const left = row && unreadText(row.unread);
    return tableRow(el("code", {}, `${i + 1} ${name}`), texts, { "data-state": state(i), note: left && `unread: ${left}`,
      "aria-current": i === selected ? "step" : null, onclick: () => select(i) });
  });
  const sums = ["parameters", "multiply_adds"].map((key) => count(total(rows, key)));
  const whole = layers.some((_, i) => state(i)) ? ["?", "?", "?"] : [times(rows.at(-1)?.shape ?? input), ...sums];
  const part = (tag, ...lines) => el(tag, { role: "rowgroup" }, ...lines);
  const head = ["Layer", ...COLUMNS].map((name) => el("th", { role: "columnheader", scope: "col" }, name));
  return el("table.dlt-layers", { role: "table" }, el("caption", {}, "Every layer, for one image"), part("thead", el("tr", { role: "row" }, ...head)),
    part("tbody", tableRow("Input", [times(input)]), ...body), part("tfoot", tableRow("Whole network", whole)));
}

// ---- the page ------------------------------------------------------------------------------------------

const CALCULATOR_TRAITS = ["input_shape", "layers", "selected", "predict"];
const started = new Map(); // by layout: each view has a model object of its own
const traitsOf = (model) => Object.fromEntries(CALCULATOR_TRAITS.map((name) => [name, model.get(name)]));

function setTraits(model, traits) {
  for (const [name, value] of Object.entries(traits)) model.set(name, value);
  model.save_changes();
}

/** What the buttons do to the list of layers and to the place in it. */
function layerActions(model) {
  const edit = (change) => {
    const layers = model.get("layers"), i = Math.min(model.get("selected"), layers.length - 1);
    const [next, at] = change(layers, i);
    setTraits(model, { layers: next, selected: Math.max(0, Math.min(at, next.length - 1)) });
  };
  return {
    select: (i) => edit((layers) => [layers, i]),
    step: (by) => edit((layers, i) => [layers, i + by]),
    move: (by) => edit((layers, i) => (layers[i + by] ? [moveLayer(layers, i, i + by), i + by] : [layers, i])),
    remove: () => edit((layers, i) => [layers.filter((_, j) => j !== i), i]),
    add: (type) => edit((layers, i) => [layers.toSpliced(i + 1, 0, { type, ...NEW_LAYERS[type] }), i + 1]),
    change: (settings) => edit((layers, i) => [layers.with(i, { ...layers[i], ...settings }), i]),
  };
}

/** The fields that stay: the network, the input's shape, and the type of a new layer. */
function pageFields(model) {
  const presets = model.get("presets"), set = (traits) => setTraits(model, traits);
  const size = (axis) => numberField({ label: `input ${"CHW"[axis]}`, text: "CHW"[axis], min: 1, max: 10000,
    onChange: (n) => set({ input_shape: model.get("input_shape").with(axis, n) }) });
  const take = ({ input_shape, layers }) => set({ input_shape, layers, selected: 0 });
  const names = [...Object.entries(presets).map(([name, { title }]) => [name, title]), ["", "your own"]];
  const types = Object.keys(NEW_LAYERS).map((name) => [name, name]);
  return {
    presets: selectField({ label: "Network", options: names, onChange: (name) => name && take(presets[name]) }),
    sizes: [0, 1, 2].map(size),
    type: selectField({ label: "New layer", options: types, onChange() {} }),
    predict: button("Predict first", () => set({ predict: !model.get("predict") })),
    live: announcer(),
  };
}

/** Everything on the page that stays while the numbers change. */
function buildPage(model, actions, redraw) {
  const page = { ...pageFields(model), box: predictBox({ onReveal: redraw }) };
  for (const name of ["trouble", "blocks", "title", "settings", "formulas", "note", "table"]) page[name] = el(`div.dlt-${name}`);
  Object.assign(page.blocks, { role: "toolbar", ariaLabel: "Layers: the arrow keys step through them" });
  page.blocks.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -1e9, End: 1e9 }[event.key];
    if (!by) return;
    event.preventDefault();
    actions.step(by);
  });
  const bar = (...nodes) => el("div.dlt-bar", {}, ...nodes);
  const input = bar(el("span.dlt-name", {}, "Input"), ...page.sizes.map(({ node }) => node));
  const steps = [["←", "Previous layer", -1], ["→", "Next layer", 1]]
    .map(([text, ariaLabel, by]) => button(text, () => actions.step(by), { ariaLabel }));
  const moves = [["Move earlier", -1], ["Move later", 1]].map(([text, by]) => button(text, () => actions.move(by)));
  page.node = el("div.dlt-widget.dlt-card.dlt-calculator", { role: "group", ariaLabel: "Feature map calculator" },
    bar(page.presets.node, page.predict, input), page.box.node,
    page.blocks, el("p.dlt-name", {}, "A block is as high as log H and as wide as log C."), page.trouble,
    el("div.dlt-layer", { role: "group", ariaLabel: "Selected layer" },
      bar(page.title, bar(...steps, ...moves, button("Remove", actions.remove))), page.settings, page.note, page.formulas),
    bar(page.type.node, button("Add after the selected", () => actions.add(page.type.node.querySelector("select").value)),
      copyButton("Copy PyTorch code", () => networkCode(model.get("input_shape"), model.get("layers"))),
      button("Reset", () => (page.box.reset(), setTraits(model, started.get(model.get("layout")))))),
    page.table, page.live.node);
  return page;
}

/** What the reader is asked: the number of inputs of the first linear layer, else the last output's shape. */
function questionOf({ layers, input, rows }) {
  const linear = layers.findIndex(({ type }) => type === "Linear"), shapes = [input, ...rows.map(({ shape }) => shape)];
  const shape = shapes.at(linear), key = JSON.stringify([input, layers]);
  if (linear < 0) return { key, question: "What is the shape of the last output?", names: [..."CHW"].slice(0, shape.length), answer: shape };
  return { key, question: "How many inputs does the first linear layer get?", names: ["inputs"], answer: [shape.at(-1)] };
}

/** What there is to say of the selected layer, besides its formulas. */
function noteOf(layer, row) {
  const left = unreadText(row.unread);
  if (left) return `Of this layer's input, no window reads ${left}.`;
  return layer.type === "Linear" && row.shape[1]
    ? "torch's Linear takes the last axis only: each row of the image by itself. A Flatten in front joins all numbers." : "";
}

function drawLayer(page, { layers, selected, rows, state, input }, change) {
  const layer = layers[selected], runs = layer && !state(selected);
  const key = layer && [selected, layer.type, layer.in_features, layer.in_channels].join();
  if (key !== page.key) page.fields = layer ? layerFields(layer, change) : [];
  if (key !== page.key) page.settings.replaceChildren(...page.fields.map(({ node }) => node));
  page.key = key;
  for (const field of page.fields ?? []) field.set(layer);
  const before = rows[selected - 1] ?? { shape: input, receptive_field: ONES, jump: ONES };
  page.title.replaceChildren(el("b", {}, layer ? `Layer ${selected + 1} of ${layers.length}: ${layer.type}` : "No layers yet."));
  page.formulas.replaceChildren(...(runs ? formulaLines(layer, before.shape, rows[selected], before) : []));
  page.note.textContent = runs ? noteOf(layer, rows[selected]) : "";
}

/** Names the layer that breaks. What is offered also goes to that layer: the button that had the focus is gone. */
function drawTrouble(page, model, { layers, problem }) {
  const mend = () => {
    page.mended = true;
    setTraits(model, { layers: applyFix(layers, problem), selected: problem.fix.move_to ?? problem.index });
  };
  page.trouble.replaceChildren(...(problem ? [el("p", {}, reasonText(layers, problem)), button(fixText(problem.fix).slice(0, -1), mend)] : []));
}

function draw(model, page, actions) {
  const { input_shape: input, layers, selected: wanted, predict } = traitsOf(model);
  const { rows, problem } = trace(input, layers), selected = Math.min(wanted, layers.length - 1);
  const state = (i) => (page.box.hidden() ? "?" : i < rows.length ? "" : i > rows.length ? "waits" : "breaks");
  const now = { input, layers, rows, selected, state, problem };
  page.box.node.hidden = !predict || problem;
  if (page.box.node.hidden) page.box.reset();
  else page.box.ask(questionOf(now));
  const same = (one) => JSON.stringify([one.input_shape, one.layers]) === JSON.stringify([input, layers]);
  page.presets.set(Object.entries(model.get("presets")).find(([, one]) => same(one))?.[0] ?? "");
  page.sizes.forEach((field, axis) => field.set(input[axis]));
  page.predict.ariaPressed = String(predict);
  drawBlocks(page, now, actions.select, page.mended);
  page.mended = false;
  drawTrouble(page, model, now);
  drawLayer(page, now, actions.change);
  page.table.replaceChildren(layerTable(now, actions.select));
  const current = page.blocks.children[selected + 1]?.ariaLabel ?? "No layers.";
  page.live.say(problem ? problemText(layers, problem) : `${current} ${page.note.textContent}`);
}

function render({ model, el: host }) {
  if (!started.has(model.get("layout"))) started.set(model.get("layout"), traitsOf(model));
  const actions = layerActions(model), page = buildPage(model, actions, () => update());
  const update = () => draw(model, page, actions);
  host.append(page.node);
  update();
  return watch(model, CALCULATOR_TRAITS, update);
}

const math = { trace, networkCode, problemText };
export default { initialize: ({ model }) => void started.set(model.get("layout"), traitsOf(model)), render, math };
