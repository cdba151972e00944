// DescentExplorer: the path of an optimizer over a loss of two parameters. The maths is in descent_math.js.

const initial = new Map(); // by layout: each view has a model object of its own

/** Traits by name: all of them (0), or those that tell one path from another on the same surface (1). */
const snapshot = (model, which) => Object.fromEntries(model.get("_names")[which].map((name) => [name, model.get(name)]));

/** A field and what paints it: it shows a trait, where `when` holds. */
const asPainted = ({ node, set: show }, trait, when, index) => ({ node, paint: (s) => {
  node.hidden = when && !holds(s)[when];
  show(s[trait][index] ?? s[trait]);
} });

/** A number field, as Python describes it; − and + and the arrow keys change it by `by`, or halve and double it. */
function makeField([min, max, whole, trait, label, by, when, index], model, set) {
  const next = (value, way) => Number((by ? value + way * by : value * 2 ** way).toPrecision(6));
  const onChange = (value) => set({ [trait]: model.get(trait).map?.((old, i) => (i === index ? value : old)) ?? value });
  const field = numberField({ label, min, max, whole, next, onChange });
  field.node.addEventListener("keydown", (event) => {
    const i = ["ArrowDown", "ArrowUp"].indexOf(event.key);
    if (i >= 0) event.preventDefault(), field.node.querySelectorAll("button")[i].click();
  });
  return asPainted(field, trait, when, index);
}

// ---- words and formulas --------------------------------------------------------------------------------

const factor = (value) => (value < 0 ? `(${fmt(value)})` : fmt(value));
const axisOf = (s, i) => (s.angle ? "u" : "θ") + "₁₂"[i];
const nameOf = (s) => `${s.optimizer}, η ${fmt(s.lr)}` + (isSgd(s) && s.momentum ? `, μ ${fmt(s.momentum)}` : "") + (holds(s).nesterov ? ", Nesterov" : "");

/** A formula from text: what is apart by spaces is one number, name or sign; `{ a | b }` is a fraction, `a^b` a power. */
function mathOf(text) {
  const leaf = (one) => (/_/.test(one) ? mlToken(one) : ml(/\d/.test(one) ? "mn" : /[\p{L}()]/u.test(one) ? "mi" : "mo", one));
  const token = (one) => (/\^/.test(one) ? ml("msup", ...one.split("^").map(leaf)) : leaf(one));
  const parts = text.split(/[{|}]/).map((part) => part.split(" ").filter(Boolean).map(token));
  return formula(...parts.flatMap((part, i) => (i % 3 > 1 ? [] : i % 3 ? [ml("mfrac", ml("mrow", ...part), ml("mrow", ...parts[i + 1]))] : part)));
}

/** A line of formulas; it may break before a sign of equality, and at ¦. */
const equation = (text, label = "") => el("p", {}, label, ...text.split(/¦|(?== )/).map(mathOf));

/** The update of one coordinate, line by line: letters, then numbers. In the letters # stands for the coordinate's index. */
function updateLines(s, { θ, slope, noise, old, next }, i, t) {
  const { momentum, nesterov, weight_decay: w, betas: [b1, b2] } = s, isW = s.optimizer === "AdamW";
  const sgd = [momentum && ["v", t > 1 ? "μ · v# + g#" : "g#"], nesterov && ["d", "g# + μ · v#"], ["θ", `θ# − η · ${nesterov ? "d" : momentum ? "v" : "g"}#`]];
  const adam = [["m", "β₁ · m# ¦ + ( 1 − β₁ ) · g#"], ["v", "β₂ · v# ¦ + ( 1 − β₂ ) · g#^2"], ["m̂", "{ m# | 1 − β₁^t }"], ["v̂", "{ v# | 1 − β₂^t }"], ["θ", `${isW ? "( 1 − η · w ) · " : ""}θ# ¦ − η · { m̂# | ( √v̂# ) + ε }`]];
  const values = { ...old[i], θ: θ[i], noise: noise[i], η: s.lr, ε: s.eps, μ: momentum, w, "β₁": b1, "β₂": b2, t, "{ ∂L | ∂θ# }": slope[i] };
  const lines = [["g", `{ ∂L | ∂θ# }${s.noise ? " + noise" : ""}${w && !isW ? " + w · θ#" : ""}`], ...(isSgd(s) ? sgd : adam)];
  return lines.filter(Boolean).map(([name, letters]) => {
    const numbers = letters.replace(/\{ ∂L.*?\}|[a-zα-ω]+\u0302?[₁₂]?/g, (word) => factor(values[word])).replaceAll("#", ""), value = next[i][name];
    values[name] = value;
    return equation(`${name}# = ${letters} ${numbers === factor(value) ? "" : "= " + numbers} = ${fmt(value)}`.replaceAll("#", "₁₂"[i]));
  });
}

/** What the theory says: condition number, limit of η, and the factors per step beside what was measured. */
function facts(s, { θ, end }) {
  const { momentum, weight_decay: w, lr } = s, [high, low] = [...curvatures(s)].sort((a, b) => b - a), limit = limitOf(s);
  const bound = `{ 2${momentum ? " · ( 1 + μ )" : ""} | ${s.nesterov ? "( 1 + 2 · μ ) · " : ""}${w ? "( λ_max + w )" : "λ_max"} }`;
  const side = ["below", "at", "above"][1 + aboveLimit(s)];
  const words = !limit ? `${s.optimizer} has no limit of this form: it divides by √v̂.` : isBowl(s) ? `η = ${fmt(lr)} is ${side} that limit.` : "Near a minimum; elsewhere it can be steeper.";
  const [from, to] = [θ, end].map((at) => turn(s, at)), row = (tag, ...texts) => el("tr", {}, ...texts.map((text) => el(tag, {}, text)));
  const rows = factors(s)?.map((one, i) => row("td", axisOf(s, i), fmt(one), from[i] ? fmt(to[i] / from[i]) : "–"));
  return [equation(`{ λ_max | λ_min } = { ${fmt(high)} | ${fmt(low)} } = ${fmt(high / low)}`, "Condition number: "),
    limit && equation(`η < ${bound} = ${bound.replaceAll("μ", momentum).replace("λ_max", fmt(high)).replace("w", w)} = ${fmt(limit)}`, "Stable: "),
    el("p", {}, words), rows && el("table", {}, row("th", "factor of", w ? "1 − ηλ − ηw" : "1 − ηλ", "measured"), ...rows)].filter(Boolean);
}

// ---- drawing -------------------------------------------------------------------------------------------

/** The looks of the path and of those that are kept. */
const LOOKS = [{ role: "weight" }, { name: "A", dash: true }, { name: "B", width: 1 }, { name: "C", role: "output", dash: true }, { name: "D", role: "output" }];
let drawn = {}; // the contours of the surface that was drawn last

/** The plane: path and kept paths, the start to drag, where the step is, and which way is downhill. */
function sceneOf(s, runs, now, set) {
  const key = [s.surface, s.eigenvalues, s.angle].join(), role = "weight", mark = ([x, y], more) => ({ x, y, ...more }), points = ({ path }) => path.map(({ θ }) => θ);
  if (drawn.key !== key) drawn = { key, ...contours(s) };
  const here = now ? [{ points: points(runs[0]).flatMap((one) => [one, one, null]), role, width: 4.5 },
    { points: [now.θ, now.θ.map((one, i) => one - (0.8 * now.slope[i]) / Math.hypot(...now.slope))], arrow: true, role: "gradient", name: "−∇L" }] : [];
  return {
    levels: drawn.levels, shade: (...spot) => Math.log1p((40 * lossAt(s, spot)) / drawn.top) / 4,
    curves: [...runs.map((run, i) => ({ points: points(run), ...LOOKS[i] })).reverse(), ...here],
    marks: [...SURFACES[s.surface].minima.map((spot, key) => mark(spot, { key, shape: "cross" })), ...(now?.loss < Infinity ? [mark(now.θ, { key: "now", shape: "ring", role })] : []),
      mark(s.start, { key: "start", shape: "square", role, text: "start", label: `start, θ = (${s.start.join(", ")})`, onMove: (...start) => set({ start }) })],
  };
}

/** Everything on the page that stays while the numbers change. */
function buildPage(model, set, draw) {
  const put = (trait) => (value) => set({ [trait]: value }), choose = ([trait, options]) => asPainted(selectField({ label: trait, options, onChange: put(trait) }), trait);
  const ui = {
    fields: [...model.get("_choices").map(choose), asPainted(checkField({ label: "nesterov", onChange: put("nesterov") }), "nesterov", "sgd"), ...model.get("_fields").map((field) => makeField(field, model, set))],
    trouble: el("div.dlt-trouble"), facts: el("div.dlt-facts"), reading: el("div.dlt-reading"), live: announcer(), box: predictBox({ onReveal: draw, tolerance: 0.002 }),
    plane: plane({ label: "Loss over θ₁ and θ₂", box: [-EDGE, EDGE, -EDGE, EDGE], xLabel: "θ₁", yLabel: "θ₂", onPress: (...start) => set({ start }) }),
    chart: chart({ label: "Loss at each step", xLabel: "step", yLabel: "loss L", log: true, onScrub: put("step") }),
    steps: stepper({ label: "Step", onStep: put("step") }), tables: tableAlternative("The numbers as tables", () => ui.rows()),
    keep: button("Keep path", () => set({ kept: [...model.get("kept"), snapshot(model, 1)] })), forget: button("Forget kept", () => set({ kept: [] })),
  };
  const bar = (...nodes) => el("div.dlt-bar", {}, ...nodes), quick = [0.01, 0.1, 0.19, 0.2, 0.21, 1].map((lr) => button(`η = ${lr}`, () => set({ lr })));
  ui.node = el("div.dlt-widget.dlt-card.dlt-descent", { role: "group", ariaLabel: "Descent explorer" }, el("div.dlt-settings", {}, ...ui.fields.map(({ node }) => node)), bar(...quick), ui.trouble,
    ui.box.node, el("div.dlt-stage", {}, ui.plane.node, el("div", {}, ui.chart.node, ui.facts)), ui.steps.node, ui.reading, bar(ui.keep, ui.forget,
      button("Reset", () => (ui.box.reset(), set(initial.get(model.get("layout"))))), copyButton("Copy PyTorch code", () => code(snapshot(model, 0)))), ui.tables.node, ui.live.node);
  return ui;
}

/** Asks what `predict` says; where that makes no sense, returns the reason as a trouble. */
function ask(box, s) {
  const isLimit = s.predict === "lr", isOff = s.predict === "off", fits = isSgd(s) && isBowl(s) && (isLimit || !s.momentum), answer = fits && (isLimit ? limitOf(s) : factors(s)[1]);
  box.node.hidden = isOff || !fits;
  if (box.node.hidden) box.reset();
  else box.ask({ key: s.predict + answer, names: ["number"], question: isLimit ? "Up to which η does it converge?" : `By what does a step multiply ${axisOf(s, 1)}?`, answer: [answer] });
  return isOff || fits ? null : { message: "This asks about plain SGD on the bowl.", fix: "Ask nothing", traits: { predict: "off" } };
}

function drawPage(ui, s, set) {
  const misfit = ask(ui.box, s), asked = ui.box.hidden(), bad = problem(s), refused = bad?.refused, isSecret = refused || (asked && s.predict === "factor");
  const runs = isSecret ? [] : [s, ...s.kept.map((run) => ({ ...s, ...run }))].map((run, i) => ({ name: (i ? LOOKS[i].name + ": " : "") + nameOf(run), path: descend(run) }));
  const now = runs[0]?.path[s.step], t = s.step + 1, words = now ? `Step ${s.step}: θ = (${now.θ.map((one) => fmt(one)).join(", ")}), L = ${fmt(now.loss)}.` : "";
  ui.fields.forEach(({ paint }) => paint(s));
  ui.trouble.replaceChildren(...[misfit, asked && !refused ? null : bad].filter(Boolean).map(({ message, fix, traits }) => el("p", {}, message, button(fix, () => set(traits)))));
  ui.node.classList.toggle("dlt-secret", !now);
  ui.plane.paint(sceneOf(s, runs, now, set));
  ui.chart.paint({ cursor: s.step, series: runs.map(({ name, path }, i) => ({ ...LOOKS[i], name, points: path.map(({ loss }, x) => [x, loss]).filter(([, loss]) => Math.abs(Math.log10(loss)) < 12) })) });
  ui.facts.replaceChildren(...(asked || !now ? [] : facts(s, now)));
  ui.reading.replaceChildren(...(now ? [el("p", {}, `${words} Next, t = ${t}:`), ...[0, 1].map((i) => el("div.dlt-lines", {}, ...updateLines(s, now, i, t)))] : []));
  ui.rows = () => runs.map(({ name, path }) => ({ caption: name, rows: [["step", "θ₁", "θ₂", "L"], ...path.map(({ θ, loss }, x) => [x, ...θ, loss])] }));
  ui.steps.set(s.step, s.steps + 1);
  ui.tables.update();
  ui.keep.disabled = s.kept.length > 3 || !now;
  ui.forget.hidden = !s.kept.length;
  ui.live.say(`${ui.trouble.textContent} ${words}`);
}

function render({ model, el: host }) {
  const set = (traits) => {
    for (const trait in traits) model.set(trait, traits[trait]);
    model.save_changes();
  };
  const draw = () => {
    const s = snapshot(model, 0);
    s.step = Math.min(s.step, s.steps);
    drawPage(ui, s, set);
  };
  const ui = buildPage(model, set, draw);
  host.append(ui.node);
  draw();
  const end = watch(model, Object.keys(initial.get(model.get("layout"))), draw);
  return () => (end(), ui.steps.stop());
}

const math = { descend, limitOf, factors, problem, code };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model, 0)), render, math };
