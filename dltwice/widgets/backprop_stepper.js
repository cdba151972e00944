// BackpropStepper: a 2-2-1 network, forward, backward and update, number by number. The maths is in backprop_math.js.

const NUMBERS = [...GIVEN, "target"];
const SETTING = [...NUMBERS, "activation", "loss", "lr", "iteration"];
const TRAITS = [...SETTING, "step", "selected", "eps", "predict"];
const BACK = 1 + FORWARD.length, UPDATE = BACK + BACKWARD.length, AFTER = UPDATE + 1;
const initial = new Map(); // by layout: each view has a model object of its own
const snapshot = (model) => table(TRAITS, (trait) => model.get(trait));

// ---- what is known at a step, and words ------------------------------------------------------------------------------

const isBack = ({ step }) => step >= BACK && step < UPDATE;
/** The value or gradient that a step brings, "" where it brings none. */
const nameAt = ({ step }) => (step < BACK ? FORWARD[step - 1] : BACKWARD[step - BACK]) ?? "";
const knowsValue = ({ step }, name) => GIVEN.includes(name) || step === AFTER || (FORWARD.indexOf(name) < step && step < UPDATE);
const knowsGradient = ({ step }, name) => step < AFTER && BACKWARD.indexOf(name) <= step - BACK;
const seesBack = (s, name) => (s.selected ? knowsGradient(s, name) : isBack(s));

/** Value and gradient of a name as they show: numbers, "?" while asked for, "" before they are computed. */
function shown({ s, c, hidden }, name) {
  if (!c) return [GIVEN.includes(name) ? s[name] : "", ""];
  const now = s.step === AFTER ? c.after : s.step === UPDATE ? { ...c.v, ...c.next } : c.v, secret = hidden && name === nameAt(s);
  const pick = (known, number, back) => (secret && back === isBack(s) ? "?" : known(s, name) ? number : "");
  return [pick(knowsValue, now[name], false), pick(knowsGradient, c.g[name], true)];
}

function describe(name) {
  const [kind, j, i] = name;
  return { x: `input ${j}`, w: `weight of ${j > 2 ? "h" : "x"}${i} in z${j}`, b: `bias in z${j}`, z: `weighted sum of unit ${j}`, h: `output of unit ${j}`, y: "output", L: "loss" }[kind];
}

function titleOf(s) {
  const { step, selected } = s, name = selected || nameAt(s);
  if (name) return `${selected ? "" : isBack(s) ? "Backward: gradient for " : "Forward: "}${sign(name)}, ${describe(name)}`;
  return step ? (step === AFTER ? "Forward again, with the new weights" : "Update: against the gradient") : `Start of iteration ${s.iteration}`;
}

/** The finite-difference check beside the gradient: { lines, words, fix }. */
function checkOf(s, c, name) {
  const { plus, minus, value, kink } = numeric(s, c.p, name, s.eps), x = sign(name), g = c.g[name], gap = Math.abs(value - g);
  if (!isFinite(value)) return { lines: [], words: "ŷ ± ε leaves 0 … 1, where there is no loss. ", fix: EPS.find((eps) => isFinite(numeric(s, c.p, name, eps).value)) };
  return { lines: [`{L(${x}+ε) − L(${x}−ε)|2ε} = {${num(plus, 10)} − ${signed(minus, 10)}|2·${num(s.eps)}} = ${num(value, 8)}`],
    words: `The gradient is ${num(g, 8)}; they differ by ${short(gap)}.${kink ? " ReLU’s kink lies between the two points." : ""}` };
}

/** What there is to say: { lines, updates, path, note, check }. */
function reading(state) {
  const { s, c } = state, { step, selected } = s, name = selected || nameAt(s), back = seesBack(s, name);
  if (!name && !step) return { lines: [], note: "A box shows a value and below it ∂, its gradient. Step forward, or select a box." };
  if (!name && step === UPDATE) return { lines: ["θ ← θ − η · ∂L/∂θ"], updates: PARAMS.map((one) => `${one} ← ${num(c.p[one])} − ${num(s.lr)} · ${signed(c.g[one])} = ${num(c.next[one])}`) };
  if (!name) return { lines: [line(s, { ...c, v: c.after }, "L", valueText(s, "L"), c.after.L)], note: `Before the update L was ${num(c.v.L)}. ${c.after.L > c.v.L ? "It grew: the step was too long. Try a smaller η." : ""}` };
  const [value, gradient] = shown(state, name);
  const lines = value === "" || (back && !selected) ? [] : [step < UPDATE && FORWARD.includes(name) ? line(s, c, sign(name), valueText(s, name), value) : `${sign(name)} = ${num(value)}`];
  if (back) lines.push(line(s, c, partial(name), gradientText(s, name), gradient));
  if (!back || gradient === "?") return { lines, note: selected && gradient === "" && step < AFTER ? `The ${value === "" ? "value" : "gradient"} is not computed yet.` : "" };
  const ways = chains(s, c, name), many = ways.length > 1;
  const path = ways.filter(({ symbols: text }) => text.includes("·")).map((way, i) => [many ? `path\u00a0${i + 1}` : partial(name), way.symbols, way.numbers, num(way.value)].join(" = "));
  if (many) path.push(`${partial(name)} = ${ways.map((way, i) => (i ? signed : num)(way.value)).join(" + ")} = ${num(c.g[name])}`);
  return { lines, path, note: remark(s, c, name), check: name !== "L" && checkOf(s, c, name) };
}

/** How the boxes look, by name. */
function looks(state) {
  const { s, c } = state, say = (number) => (number === "" ? "not computed yet" : num(number));
  const look = (name) => {
    const numbers = shown(state, name), [value, gradient] = numbers.map(say);
    return { numbers, ariaLabel: `${sign(name)} = ${value}, gradient ${gradient}`, ariaPressed: s.selected === name, ariaCurrent: c && name === nameAt(s) ? "step" : null };
  };
  return { ...table(NAMES, look), y: { numbers: [s.target, ""] } };
}

/** Which lines are in use, and in which direction. */
function liveLinks({ s, c }) {
  const name = s.selected || nameAt(s), back = name && seesBack(s, name);
  const links = !c ? [] : back ? follow(name, 0, s.selected) : name ? follow(name, 1) : s.step === AFTER ? LINKS : [];
  const used = new Set(links.map(String));
  return (link) => (used.has(String(link)) ? (back ? "backward" : "forward") : "");
}

// ---- the page ------------------------------------------------------------------------------------------------------

function makeFields(edit, set) {
  const number = (trait, text, min = -LIMIT) => numberField({ label: trait, text, min, max: LIMIT, whole: false, onChange: (value) => edit({ [trait]: value }) });
  const choice = (label, options, onChange) => selectField({ label, options: options.map((one) => (one.map ? one : [one, one])), onChange });
  const use = (key) => key && set({ ...PRESETS[key], iteration: 0, step: 0, selected: "" });
  return {
    preset: choice("Preset", [["", "edited"], ...Object.keys(PRESETS)], use),
    activation: choice("Hidden activation", ["sigmoid", "tanh", ["relu", "ReLU"], "identity"], (activation) => edit({ activation })),
    loss: choice("Loss", [MSE, BCE], (loss) => edit({ loss })),
    predict: choice("Predict", [["off", "nothing"], ["value", "each value"], ["gradient", "each gradient"]], (predict) => set({ predict })),
    eps: choice("ε", EPS, (eps) => set({ eps: Number(eps) })),
    lr: number("lr", "η", 0),
    ...table(NUMBERS, (trait) => number(trait, trait === "target" ? "y" : pretty(trait))),
  };
}

/** Everything on the page that stays while the numbers change. */
function buildPage(model, state, set, edit) {
  const page = {
    fields: makeFields(edit, set),
    graph: networkGraph({ label: "Network", onSelect: (selected) => set({ selected }) }),
    box: predictBox({ onReveal: () => drawPage(page, state), tolerance: 0.005 }),
    steps: stepper({ label: "Step", onStep: (step) => set({ step, selected: "" }) }),
    live: announcer(),
    tables: tableAlternative("The numbers as a table", () => [{ caption: `y = ${num(state.s.target)}`,
      rows: [["name", "value", "gradient"], ...NAMES.map((name) => [pretty(sign(name)), ...shown(state, name)])] }]),
    undo: button("Undo it", () => go(-1)),
    again: button("Do the update", () => go(1)),
  };
  for (const part of ["trouble", "title", "lines", "note", "losses", "gap"]) page[part] = el(`div.dlt-${part}`);
  const go = (by) => set({ iteration: state.s.iteration + by });
  const field = (name) => page.fields[name].node, bar = (...nodes) => el("div.dlt-bar", {}, ...nodes);
  const reset = () => {
    page.box.reset();
    set(initial.get(model.get("layout")));
  };
  page.checking = el("div.dlt-checking", {}, bar("Central-difference check", field("eps")), page.gap);
  page.reading = el("div.dlt-reading", {}, page.title, page.lines, page.note, page.checking);
  page.node = el("div.dlt-widget.dlt-card.dlt-backprop", { role: "group", ariaLabel: "Backpropagation" },
    bar(...["preset", "activation", "loss", "predict"].map(field)),
    el("details", {}, el("summary", {}, "Change the numbers"), el("div.dlt-numbers", {}, ...NUMBERS.map(field))),
    page.trouble, page.graph.node, page.box.node, page.steps.node, page.reading,
    bar(page.again, page.undo, field("lr")), page.losses,
    bar(button("Reset", reset), copyButton("Copy PyTorch code", () => code(state.s))), page.tables.node, page.live.node);
  return page;
}

/** Starts or ends a question; what it asks for stays hidden until it is answered. */
function askQuestion({ box }, { s, c }) {
  const name = nameAt(s), back = isBack(s);
  box.node.hidden = !c || !name || s.predict !== (back ? "gradient" : "value");
  if (box.node.hidden) box.reset();
  else box.ask({ key: JSON.stringify([s.step, ...SETTING.map((trait) => s[trait])]), question: pretty(`What is ${back ? partial(name) : sign(name)}?`),
    names: [back ? "gradient" : "value"], answer: [(back ? c.g : c.v)[name]] });
  return !box.node.hidden && box.hidden();
}

function drawReading(page, state) {
  const { s, set } = state, { lines, path = [], updates = [], note = "", check } = reading(state);
  page.title.textContent = pretty(titleOf(s));
  page.lines.replaceChildren(...lines.map(formulaLine), ...path.map(formulaLine), el("div.dlt-updates", {}, ...updates.map(formulaLine)));
  page.note.textContent = pretty(note);
  page.checking.hidden = !check;
  if (check) page.gap.replaceChildren(...check.lines.map(formulaLine), check.words, check.fix ? button(`Use ε = ${check.fix}`, () => set({ eps: check.fix })) : "");
  page.live.say([`${titleOf(s)}.`, ...lines.map((text) => `${text.replace(/ = .* = /, " = ")}.`), note].join(" ").trim());
}

function drawPage(page, state) {
  const { s } = state, c = (state.c = compute(s));
  const hidden = (state.hidden = askQuestion(page, state)), { iteration } = s;
  const now = { ...s, preset: presetOf(s), ...(c && iteration && table(PARAMS, (name) => Number(c.p[name].toPrecision(4)))) };
  for (const [trait, field] of Object.entries(page.fields)) field.set(now[trait]);
  page.graph.paint(looks(state), liveLinks(state));
  page.steps.node.hidden = page.reading.hidden = page.losses.hidden = !c;
  page.steps.set(s.step, AFTER + 1);
  page.undo.disabled = !iteration;
  page.again.disabled = !c || iteration === 1000;
  page.tables.update();
  if (!c) return page.live.say(page.trouble.textContent);
  const losses = c.losses.slice(0, s.step >= BACK - 1 && !(hidden && nameAt(s) === "L") ? undefined : -1).map((L) => num(L));
  page.losses.textContent = `Iteration ${iteration}. L so far: ${losses.slice(-9).join(", ") || "–"}`;
  drawReading(page, state);
}

function render({ model, el: host }) {
  const set = (traits) => {
    for (const trait in traits) model.set(trait, traits[trait]);
    model.save_changes();
  };
  // A change of a number goes on from the weights on the screen, which become those of iteration 0.
  const edit = (traits) => set(state.s.iteration && state.c ? { ...state.c.p, ...traits, iteration: 0 } : traits);
  const state = { set }, page = buildPage(model, state, set, edit);
  const update = () => {
    state.s = snapshot(model);
    page.trouble.replaceChildren(...problems(state.s).map(({ message, fixes }) => el("p", {}, message, ...fixes.map(([text, traits]) => button(text, () => set(traits))))));
    drawPage(page, state);
  };
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const math = { compute, problems, numeric, code, chains, line, valueText, gradientText, remark, PRESETS };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model)), render, math };
