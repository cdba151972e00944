// XORFolding: how hidden units fold the plane until one line separates XOR. The maths is in xor_math.js.

const TRAITS = ["hidden", "activation", "weights", "seed", "lr", "steps", "across", "up", "step", "point", "predict"];
const BOX = [-0.5, 1.5, -0.5, 1.5], SHOWN = 8;
const initial = new Map(); // by layout: each view has a model object of its own
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
const nameOf = (i) => `(${POINTS[i]})`;
const unit = (j) => `h${String(j + 1).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit])}`;

/** The traits, and what training makes of them; it runs anew only when it is another one. */
function follow(model, old) {
  const now = snapshot(model), { weights, hidden, activation: act, lr, steps } = now;
  const start = weights["2.bias"] ? toRow(weights) : drawWeights(now.seed, hidden), key = String([act, lr, steps, start]);
  for (const axis of ["across", "up"]) now[axis] = Math.min(now[axis], hidden);
  if (key === old.key) return { ...old, ...now };
  const run = (rate) => train(start, act, rate, steps), isWild = ({ diverged, losses = [0] }) => diverged || losses.at(-1) > losses[0] + 1e-9;
  const training = act === "step" ? { path: [start], rights: [] } : run(lr), wild = isWild(training);
  let calmer = lr;
  if (wild) do calmer = Number((calmer / 2).toPrecision(2)); while (isWild(run(calmer)));
  return { ...now, ...training, act, start, key, wild, calmer, last: training.path.length - 1, frames: framesOf(training.path.length - 1) };
}

// ---- the two planes --------------------------------------------------------------------------------------

/** A mesh over the unit square, to see how it is folded. */
const MESH = times(5, (k) => k / 4).flatMap((a) => [...times(33, (i) => [a, i / 32]), null, ...times(33, (i) => [i / 32, a]), null]);

/** The line a·x₁ + b·x₂ + c = 0 in the input plane: where it meets the box. */
const lineOf = (a, b, c) => [-0.5, 1.5].flatMap((v) => [[v, -(a * v + c) / b], [-(b * v + c) / a, v]]).filter((at) => at.every((v) => v >= -0.5 && v <= 1.5));

const marksOf = ({ at, point, step, set }, places, text) => places.map(([x, y], i) => ({
  key: i, x, y, text: text(i), selected: point === i, shape: TARGETS[i] ? "circle" : "square", role: at[i].ok ? "input" : "gradient",
  label: `${nameOf(i)}, target ${TARGETS[i]}: ${at[i].ok ? "right" : "wrong"}`, onPress: () => set({ point: i, step }) }));

const shadeOf = (z) => (...at) => 2 * sigmoid(z(at)) - 1;
const green = (z, box) => ({ role: "output", width: 4, points: contour(z, box) });

function inputScene(now) {
  const { t, act, at, hidden } = now;
  const z = (x) => [forward(t, act, x).z].map((v) => (Math.abs(v) < 1e-9 ? 0 : v))[0]; // rounding draws no curve
  const lines = times(Math.min(hidden, SHOWN), (j) => ({ role: "weight", dash: true, name: unit(j), points: lineOf(...t.slice(4 * j, 4 * j + 3)) }));
  return { shade: shadeOf(z), levels: [{ role: "input", points: MESH }], curves: [green(z, BOX), ...lines],
    marks: marksOf(now, POINTS, (i) => TARGETS[i] + (at[i].ok ? " ✓" : " ✗")) };
}

/** Points near each other share a text; the output's line is there where the axes are all units there are. */
function hiddenScene(now) {
  const { t, act, at, hidden, across, up } = now, placeOf = ({ h }) => [h[across - 1], hidden > 1 ? h[up - 1] : 0], places = at.map(placeOf);
  const most = Math.max(1, ...places.flat().map(Math.abs)), b = 1.5 * 2 ** Math.ceil(Math.log2(most / 1.25)), a = act === "tanh" || act === "identity" ? -b : -b / 3, box = [a, b, a, b];
  const z = ([u, v]) => t[4 * across - 1] * u + (hidden > 1 && t[4 * up - 1] * v) + t.at(-1), whole = hidden === 1 || (hidden === 2 && across !== up);
  const gap = (i, k, axis) => (places[i][axis] - places[k][axis]) / (b - a);
  const near = (i) => [0, 1, 2, 3].filter((k) => Math.abs(gap(i, k, 0)) < 0.16 && Math.abs(gap(i, k, 1)) < 0.06);
  const text = (all) => (all.length > 2 ? `${all.length} points` : all.map((i) => nameOf(i) + (at[i].ok ? "" : "✗")).join(" "));
  return { box, shade: whole && shadeOf(z), curves: whole ? [green(z, box)] : [],
    levels: act === "step" ? [] : [{ role: "input", points: MESH.map((x) => x && placeOf(forward(t, act, x))) }],
    marks: marksOf(now, places, (i) => (near(i).every((k) => gap(k, i, 0) < (k > i ? 0 : 1e-9)) ? text(near(i)) : "")) };
}

/** The loss at each step, up to 99; a plane serves as its chart. */
function lossScene({ losses, rights, frames, last, step }) {
  const top = Math.min(99, 1.05 * Math.max(...losses)), at = (x, more) => ({ points: [[x, 0], [x, top]], width: 1, ...more }), solved = rights.indexOf(4);
  return { box: [0, Math.max(1, last), 0, top], curves: [{ points: frames.map((i) => [i, losses[i]]) }, at(step), ...(solved < 0 ? [] : [at(solved, { dash: true, name: "4 of 4" })])] };
}

// ---- words and formulas ------------------------------------------------------------------------------------

const num = (v) => fmt(Math.round(v * 1000) / 1000);
const plus = (v) => ` ${v <= -5e-4 ? "−" : "+"} ${num(Math.abs(v))}`;
const factor = (v) => (v < 0 ? `(${num(v)})` : num(v));
const mn = (v) => ml("mn", num(v));

/** The sums behind the chosen point, of at most four units; each line may break between its parts. */
function formulas({ t, at, act, hidden, point }) {
  const [x, y] = POINTS[point], { h, z } = at[point], some = h.slice(0, 4), w = (j, k) => t[4 * j + k];
  const term = (text) => ml("mtext", text.trim());
  const line = (...parts) => el("span", {}, ...parts.map((part) => formula(...(part.trim ? [term(part)] : part))));
  return [...some.map((value, j) => line([ml("msub", ml("mi", "h"), mn(j + 1)), ` = ${act}(`, term(`${num(w(j, 0))} · ${x}`)], `${plus(w(j, 1))} · ${y}`, `${plus(w(j, 2))})`, `= ${num(value)}`)),
    line(["z = ", term(`${num(w(0, 3))} · ${factor(h[0])}`)], ...some.slice(1).map((value, j) => `${plus(w(j + 1, 3))} · ${factor(value)}`), (hidden > 4 ? " + …" : "") + plus(t.at(-1)), `= ${num(z)}`),
    line([`p = σ(z) = ${fmt(sigmoid(z), 3)},`], [`L = −log ${TARGETS[point] ? "p" : "(1 − p)"} = ${fmt(bce(z, TARGETS[point]), 3)}`])];
}

function sentence({ at, act, step, loss, right, rights, secret }) {
  const best = secret ? 0 : Math.max(...rights), [c, b, a] = at.map(({ z }) => z);
  return `Step ${step}: ${right} of 4 right, mean loss ${fmt(loss, 3)}.` + (best > right ? ` Best: ${best} of 4, at step ${rights.indexOf(best)}.` : "")
    + (act === "identity" ? ` All identity units together are one line, z = ${num(a - c)} x₁${plus(b - c)} x₂${plus(c)}, and a line gets at most 3 of 4 right.` : "");
}

/** What stands in the way of training, and a way out. */
function troubles({ act, secret, wild, diverged, last, calmer, set }) {
  const use = (text, traits) => button(text, () => set(traits));
  if (act === "step") return ["The step’s derivative is 0 on both sides of its jump, so gradient descent never moves a hidden unit. Set weights by hand, or train with",
    ...["sigmoid", "tanh"].map((activation) => use(activation, { activation }))];
  if (secret || !wild) return [];
  return [(diverged ? `Training diverges: after step ${last} a weight is beyond 10⁹.` : "The loss ends higher than it began.") + " η is too large.", use(`Set η to ${calmer}`, { lr: calmer })];
}

// ---- the page ----------------------------------------------------------------------------------------------

function makeFields(state, set) {
  const number = (label, min, max, onChange, more) => numberField({ label, min, max, onChange, ...more });
  const select = (label, options, onChange) => selectField({ label, options: options.map((one) => [one, one]), onChange });
  const hands = Object.keys(BY_HAND), weights = select("Weights", ["random", ...hands, "edited"], (key) =>
    set(BY_HAND[key] ? { activation: BY_HAND[key][0], hidden: 2, weights: toDict(BY_HAND[key][1]) } : { weights: key === "random" ? {} : toDict(state.t) }));
  const presetOf = () => (state.weights["2.bias"] ? hands.find((key) => String(BY_HAND[key][1]) === String(state.start)) ?? "edited" : "random");
  return {
    hidden: number("Hidden units", 1, 50, (hidden) => set({ hidden, weights: {} })),
    activation: select("Activation", Object.keys(ACTIVATIONS), (activation) => set({ activation })),
    weights: { node: weights.node, set: () => weights.set(presetOf()) },
    seed: number("Seed", 0, 9999, (seed) => set({ seed, weights: {} })),
    lr: number("Learning rate η", 0.001, 100, (lr) => set({ lr }), { whole: false, next: (v, way) => v * 2 ** way }),
    steps: number("Steps", 1, 5000, (steps) => set({ steps })),
    across: number("Axis across", 1, 50, (v) => set({ across: v, step: state.step })),
    up: number("Axis up", 1, 50, (v) => set({ up: v, step: state.step })),
  };
}

/** The weights as fields; an edit starts anew from the weights on the screen. */
function weightTable(state, set) {
  let puts = [], count;
  const columns = ["W⁽¹⁾ x₁", "W⁽¹⁾ x₂", "b⁽¹⁾", "w⁽²⁾"], body = el("tbody"), th = (text, scope) => el("th", { scope }, text);
  const field = (label, i) => {
    const one = numberField({ label, text: "", min: -TOO_LARGE, max: TOO_LARGE, whole: false, onChange: (v) => set({ weights: toDict(state.t.with(i, v)) }) });
    const input = one.node.querySelector("input");
    input.step = 0.1;
    puts.push((t) => input === document.activeElement || one.set(Number(t[i].toFixed(Math.abs(t[i]) < 10 ? 3 : 1))));
    return el("td", {}, one.node);
  };
  const paint = ({ hidden: n, t }) => {
    if (n !== count) {
      [puts, count] = [[], n];
      body.replaceChildren(...times(Math.min(n, SHOWN), (j) => el("tr", {}, th(unit(j), "row"), ...columns.map((name, k) => field(`${unit(j)}, ${name}`, 4 * j + k)))),
        el("tr", {}, th("z", "row"), el("td", { colSpan: 2 }, n > SHOWN ? `and ${n - SHOWN} more units` : ""), th("b⁽²⁾", "row"), field("b⁽²⁾", 4 * n)));
    }
    puts.forEach((put) => put(t));
  };
  return { node: el("table.dlt-weights", {}, el("thead", {}, el("tr", {}, ...["unit", ...columns].map((name) => th(name, "col")))), body), paint };
}

const tablesOf = ({ at, losses, rights, frames, secret }) => [
  { caption: "The four points", rows: [["x", "target", "z", "p", "h …"], ...at.map(({ h, z }, i) => [nameOf(i), TARGETS[i], z, sigmoid(z), ...h.slice(0, SHOWN)])] },
  { caption: "Training", rows: [["step", "loss", "right"], ...(secret || !losses ? [] : frames.map((i) => [i, losses[i], rights[i]]))] },
];

function buildPage(model, state, set, update) {
  const fields = makeFields(state, set), bar = (...nodes) => el("div.dlt-bar", {}, ...nodes), nodes = Object.values(fields).map(({ node }) => node);
  const page = {
    fields, weights: weightTable(state, set), live: announcer(), axes: bar(...nodes.slice(6)),
    left: plane({ label: "Input plane", box: BOX }), right: plane({ label: "Hidden plane", box: BOX, xLabel: "", yLabel: "" }),
    box: predictBox({ onReveal: () => (set({ step: state.last }), update()) }),
    steps: stepper({ label: "Step of training", onStep: (i) => set({ step: state.frames[i] }) }),
    loss: plane({ label: "Loss by step", box: BOX, xLabel: "step", yLabel: "mean loss", onPress: (x) => set({ step: Math.round(x) }) }),
    tables: tableAlternative("The numbers as tables", () => tablesOf(state)),
  };
  for (const part of ["title", "trouble", "words", "sums"]) page[part] = el(`div.dlt-${part}`);
  // A history has many steps: it plays eight times as fast as a walk over cells.
  for (const option of page.steps.node.querySelectorAll("option")) option.value /= 8;
  const reset = () => {
    page.box.reset();
    set(initial.get(model.get("layout")));
    update();
  };
  page.chart = el("div", {}, page.loss.node);
  page.node = el("div.dlt-widget.dlt-card.dlt-xor", { role: "group", ariaLabel: "XOR folding" }, bar(...nodes.slice(0, 6)), page.trouble, page.box.node,
    el("div.dlt-stage", {}, el("div", {}, "Input plane", page.left.node), el("div", {}, page.title, page.right.node, page.axes)),
    el("p.dlt-name", {}, "● target 1, ■ target 0, ✗ wrong. Hatched: says 0. More shade: surer. Dashed: a hidden unit’s sum is 0. Green: z is 0."),
    page.steps.node, page.words, el("div.dlt-stage", {}, page.weights.node, page.chart), page.sums,
    bar(button("Reset", reset), copyButton("Copy PyTorch code", () => code(model.get("program"), state.start, state.act, state.lr, state.step))), page.tables.node, page.live.node);
  return page;
}

function drawPage({ box, left, right, axes, title, trouble, words, sums, weights, steps, loss, chart, tables, live }, now) {
  const { act, path, rights, frames, last, hidden } = now, trains = act !== "step";
  box.node.hidden = !trains || now.predict === "off";
  if (box.node.hidden) box.reset();
  else box.ask({ key: now.key, names: ["points"], answer: [rights[last]], question: `How many of the four points are right after ${last} steps of training?` });
  now.secret = box.hidden();
  now.step = now.secret ? 0 : Math.min(now.step, last);
  now.t = path[now.step];
  Object.assign(now, evaluate(now.t, act));
  title.textContent = `Hidden plane: ${unit(now.across - 1)} across` + (hidden > 1 ? `, ${unit(now.up - 1)} up` : "");
  axes.hidden = hidden < 3;
  left.paint(inputScene(now));
  right.paint(hiddenScene(now));
  weights.paint(now);
  words.textContent = sentence(now);
  sums.replaceChildren(el("b", {}, nameOf(now.point)), ...formulas(now));
  trouble.replaceChildren(...troubles(now));
  chart.hidden = steps.node.hidden = !trains || now.secret;
  steps.set(frames.findLastIndex((i) => i <= now.step), frames.length);
  if (trains) loss.paint(lossScene(now));
  tables.update();
  live.say(`${trouble.textContent} ${words.textContent}`);
}

function render({ model, el: host }) {
  const set = (traits) => {
    model.set({ step: 0, ...traits }); // a new setting starts at step 0
    model.save_changes();
  };
  const state = { set }, update = () => {
    Object.assign(state, follow(model, state));
    for (const [trait, field] of Object.entries(page.fields)) field.set(state[trait]);
    drawPage(page, state);
  };
  const page = buildPage(model, state, set, update);
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const math = { evaluate, gradient, train, drawWeights, toRow, toDict, code, framesOf, contour, BY_HAND };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model)), render, math };
