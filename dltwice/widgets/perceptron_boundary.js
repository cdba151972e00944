// PerceptronBoundary: one neuron with a step, its line in the plane, and its learning rule. The maths is in perceptron_math.js.

const TRAITS = ["preset", "points", "weight", "bias", "lr", "position", "predict"];
const MOST = 24, LARGEST = 1e6;
const FRESH = { picked: -1, anchor: null, note: "" };
const initial = new Map(); // by layout: each view has a model object of its own
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
const tidy = (value, digits = 9) => Number(value.toFixed(digits)) + 0;
const length = ([w1, w2]) => Math.hypot(w1, w2);
const factor = (value) => (value < 0 ? `(${fmt(value)})` : fmt(value));
const vector = (values) => `(${values.map((value) => fmt(value)).join(", ")})`;

/** The traits, and what follows from them: the history, w and b now, the point in turn. */
function shown(model) {
  const s = snapshot(model), { visits, end, from } = trace(s), at = Math.min(s.position, visits.length);
  return { s, visits, end, from, at, now: nowOf(s, visits), next: visits[at] ?? null };
}

// ---- the picture ----------------------------------------------------------------------------------------

/** A square that holds all points. */
function boxOf(points) {
  const all = points.flatMap(([x1, x2]) => [x1, x2]), a = Math.min(-1.5, Math.floor(2 * Math.min(...all)) / 2), b = Math.max(2.5, Math.ceil(2 * Math.max(...all)) / 2);
  return [a, b, a, b];
}

/** Where the line is nearest to a place. */
const footOf = ({ weight, bias }, place) => {
  const by = sumAt({ weight, bias }, place) / length(weight) ** 2;
  return place.map((v, i) => v - by * weight[i]);
};

/** Where the arrow starts: where it started before, as long as the line goes through there. */
function anchorOf(old, now, [a, b]) {
  const middle = [(a + b) / 2, (a + b) / 2], size = length(now.weight), inside = old?.every((v) => v >= a && v <= b);
  if (inside && Math.abs(sumAt(now, old)) <= 0.01 * size) return old;
  return size < 1e-9 ? (inside ? old : middle) : footOf(now, middle).map((v) => tidy(v, 2));
}

/** The line, its sides, and the arrow w with its right angle; a ring around the point in turn. */
function curvesOf({ s, now: { weight }, next }, anchor, box) {
  const size = length(weight), unit = (box[1] - box[0]) / 4, along = (t, u) => anchor.map((v, i) => v + (unit * (t * [-weight[1], weight[0]][i] + u * weight[i])) / size);
  const ring = next ? [{ points: Array.from({ length: 26 }, (_, i) => [0, 1].map((axis) => s.points[next.point][axis] + 0.27 * unit * Math.cos(i / 4 - axis * 1.57))), width: 2 }] : [];
  if (size < 1e-9) return ring;
  const t = [1.6, -1.6].find((one) => along(one, 0).every((v) => v > box[0] && v < box[1])) ?? 0;
  const side = (u, name) => { // a name stands to the right of its point and above it: here it is to stand on it
    const [x, y] = along(t, u);
    return { points: [[Math.max(x - 0.4 * unit, box[0]), y - 0.19 * unit]], width: 0, name };
  };
  return [...ring, { points: [along(-9, 0), along(9, 0)], role: "output", width: 3 }, side(0.35, "ŷ = 1"), side(-0.35, "ŷ = 0"),
    { points: [along(0.15, 0), along(0.15, 0.15), along(0, 0.15)], width: 1.5 },
    { points: [anchor, anchor.map((v, i) => v + weight[i])], role: "weight", width: 3.5, arrow: true }];
}

/** The name of a point, by its row and place in the list. */
const pointName = ([x1, x2, y], i) => `point ${i + 1} ${vector([x1, x2])}, y = ${y}`;

/** The points, and the two handles of the arrow. */
function marksOf(now, state, act) {
  const { s, now: { weight } } = now, given = outputs(now.now, s.points), [a1, a2] = state.anchor;
  const points = s.points.map((point, i) => {
    const turn = i === now.next?.point, hidden = state.hideOutput && turn, wrong = !hidden && given[i] !== point[2];
    const label = [pointName(point, i), ...(hidden ? [] : [wrong ? "wrong" : "right"]), ...(turn ? ["in turn"] : [])].join(", ");
    return { key: i, x: point[0], y: point[1], shape: point[2] ? "circle" : "square", role: "input", text: point[2] + (wrong ? " ✗" : ""), label, selected: i === state.picked,
      onMove: (x, y) => act.move(i, [x, y, point[2]]), onPress: () => act.pick(i) };
  });
  const handle = (key, x, y, text, label, onMove) => ({ key, x, y, text, label, onMove, shape: "ring", role: "weight" });
  return [...points, handle("b", a1, a2, "b", `b, start of the arrow; b = ${fmt(now.now.bias)}`, act.shift),
    handle("w", a1 + weight[0], a2 + weight[1], "w", `w, tip of the arrow; w = ${vector(weight)}`, act.turn)];
}

// ---- words and formulas ---------------------------------------------------------------------------------

const line = (...parts) => el("p.dlt-formula", {}, ...parts.map((part) => formula(part)));

/** The point in turn, its sum and its update, with numbers; what is asked for is a question mark. */
function reading({ s, now: { weight, bias }, next }, { hideOutput, hideUpdate }) {
  const [x1, x2, y] = s.points[next.point], { z, output, error } = next, step = `${fmt(s.lr)} · ${factor(error)}`;
  const sum = [`= ${factor(weight[0])} · ${factor(x1)}`, "+", `${factor(weight[1])} · ${factor(x2)}`, "+", factor(bias)];
  const result = hideOutput ? ["= ?"] : [`= ${fmt(z)} ${z < 0 ? "<" : "≥"} 0`];
  return [line("z = w · x + b", ...sum, ...result), line("ŷ = step(z)", hideOutput ? "= ?" : `= ${output}`), line(`y − ŷ = ${y} − ${hideOutput ? "? = ?" : output + " = " + fmt(error)}`),
    line("w ← w + η(y − ŷ)x", ...(hideUpdate ? ["= ?"] : [`= ${vector(weight)}`, "+", `${step} · ${vector([x1, x2])}`, `= ${vector(next.weight)}`])),
    line("b ← b + η(y − ŷ)", ...(hideUpdate ? ["= ?"] : [`= ${fmt(bias)} + ${step}`, `= ${fmt(next.bias)}`])), error || hideUpdate ? "" : el("p", {}, "Right already: nothing changes.")];
}

/** What the end of the history means. */
function ending({ s: { points }, visits, end, from }) {
  const n = points.length, best = bestCount(points);
  if (end === "clean") return "A whole pass without a mistake: the rule is done.";
  const why = end === "repeat" ? `After pass ${visits.length / n}, w and b are what they were before pass ${from + 1}: from here on all repeats.` : `${visits.length} points shown, no pass without a mistake.`;
  return why + (best < n ? ` No line gets more than ${best} of these ${n} points right.` : " There is a line that gets all of them right, though.");
}

/** The question, if one is asked: { key, question, names, answer }. */
function questionOf({ s, now, next, at }) {
  const before = [...now.weight, now.bias], after = [...next.weight, next.bias];
  const [question, answer] = {
    output: ["What is ŷ of the point in turn?", next.output],
    w1: ["What is w₁ after this update?", tidy(after[0])],
    changes: ["How many of w₁, w₂ and b change?", after.filter((value, i) => value !== before[i]).length],
  }[s.predict];
  return { key: JSON.stringify([s, at]), question, names: ["number"], answer: [answer] };
}

const tablesOf = ({ s, now, visits, at, next }, { hideOutput }) => [
  { caption: "Points", rows: [["point", "x₁", "x₂", "y", "z", "ŷ"], ...s.points.map((point, i) =>
    [i + 1, ...point, ...(hideOutput && i === next.point ? ["?", "?"] : [sumAt(now, point), outputs(now, [point])[0]])])] },
  { caption: "Updates so far", rows: [["step", "point", "y − ŷ", "w₁", "w₂", "b"], ...visits.slice(0, at).flatMap(({ point, error, weight, bias }, i) =>
    (error ? [[i + 1, point + 1, error, ...weight, bias]] : []))] }];

// ---- the page -------------------------------------------------------------------------------------------

/** What a reader can do: all go through `edit`, which starts a new history at the w and b on the screen. */
function makeActions(state, edit, draw) {
  const points = () => state.view.s.points, now = () => state.view.now;
  const move = (i, row) => edit({ points: points().with(i, row) });
  const add = (x, y) => {
    if (points().length >= MOST) return draw({ note: `${MOST} points at most: delete one first.` });
    state.picked = points().length;
    edit({ points: [...points(), [tidy(x, 1), tidy(y, 1), 1]] });
  };
  const scale = (by, note) => edit({ weight: now().weight.map((v) => v * by), bias: now().bias * by }, note);
  const through = (weight, [x, y]) => tidy(-weight[0] * x - weight[1] * y, 4);
  return {
    add, move, pick: (picked) => draw({ picked }),
    flip: () => {
      const [x1, x2, y] = points()[state.picked];
      move(state.picked, [x1, x2, 1 - y]);
    },
    remove: () => (points().length > 1 ? edit({ points: points().toSpliced(state.picked, 1) }) : draw({ note: "One point must stay." })),
    turn: (x, y) => {
      const weight = [x, y].map((v, i) => tidy(v - state.anchor[i], 4));
      edit({ weight, bias: through(weight, state.anchor) });
    },
    shift: (x, y) => {
      state.anchor = [x, y];
      edit(length(now().weight) < 1e-9 ? {} : { bias: through(now().weight, state.anchor) });
    },
    double: () => scale(2, "z is twice as large everywhere, with the same sign: the line did not move, and no ŷ changed."),
    negate: () => scale(-1, "The line is the same, but z changed its sign everywhere: the sides are swapped."),
  };
}

function buildPage(state, set, edit, draw) {
  const act = makeActions(state, edit, draw), number = (label, onChange, limits = { min: -LARGEST, max: LARGEST }) => numberField({ label, whole: false, onChange, ...limits });
  const page = {
    act,
    preset: selectField({ label: "Data", options: [...Object.keys(PRESETS), "custom"].map((name) => [name, name]), onChange: (name) => name in PRESETS && edit({ points: PRESETS[name] }) }),
    predict: selectField({ label: "Predict", options: [["off", "nothing"], ["output", "ŷ"], ["w1", "the new w₁"], ["changes", "what changes"]], onChange: (predict) => set({ predict }) }),
    numbers: [...["w₁", "w₂"].map((label, i) => number(label, (value) => edit({ weight: state.view.now.weight.with(i, value) }))), number("b", (bias) => edit({ bias })),
      number("η", (lr) => edit({ lr }), { min: 0.01, max: 10, next: (value, way) => tidy(value * 2 ** way) })],
    picked: el("select", { ariaLabel: "Point", onchange: () => act.pick(Number(page.picked.value)) }),
    flip: button("Flip y", act.flip), remove: button("Delete", act.remove), double: button("Double w and b", act.double),
    plane: plane({ label: "Points, boundary and w", box: boxOf([]), onPress: act.add }),
    box: predictBox({ onReveal: () => draw(), tolerance: 0.005 }),
    steps: stepper({ label: "Points shown", onStep: (position) => (draw({ note: "" }), set({ position })) }),
    skip: button("Next mistake", () => {
      const { visits, at } = state.view, to = visits.findIndex(({ error }, i) => i > at && error);
      set({ position: to < 0 ? visits.length : to });
    }),
    tables: tableAlternative("The numbers as tables", () => tablesOf(state.view, state)),
    live: announcer(),
  };
  for (const part of ["trouble", "note", "count", "reading"]) page[part] = el(`div.dlt-${part}`);
  const bar = (...nodes) => el("div.dlt-bar", {}, ...nodes);
  const reset = () => {
    Object.assign(state, FRESH);
    page.box.reset();
    set({ ...initial.get(state.model.get("layout")) });
  };
  const key = "● y = 1, ■ y = 0, ✗ wrong, ring: in turn. Hatched: z < 0; more shade: z farther from 0. Drag points, w and b; click to add a point.";
  page.node = el("div.dlt-widget.dlt-card.dlt-perceptron", { role: "group", ariaLabel: "Perceptron and its boundary" }, bar(page.preset.node, page.predict.node),
    el("div.dlt-stage", {}, el("div", {}, page.plane.node, page.steps.node, bar(page.skip), el("p.dlt-key", {}, key)),
      el("div", {}, page.trouble, page.note, page.count, page.box.node, page.reading, bar(...page.numbers.map(({ node }) => node)), bar(page.double, button("Negate w and b", act.negate)),
        bar(page.picked, page.flip, page.remove, button("Add a point", () => act.add((state.view.s.points.length % 9) / 4 - 1, 0.5))))),
    bar(button("Reset", reset), copyButton("Copy PyTorch code", () => code(state.view.s))), page.tables.node, page.live.node);
  return page;
}

/** What is wrong with the line, and a way out. */
function troubleOf({ now }, [a, b], edit) {
  const sides = outputs(now, [[a, a], [a, b], [b, a], [b, b]]);
  if (length(now.weight) < 1e-9) return [`w = (0, 0) has no direction: there is no boundary, and every point has ŷ = step(b) = ${sides[0]}. Step forward, or `, button("Set w to (1, 0)", () => edit({ weight: [1, 0] }))];
  if (sides.some((side) => side !== sides[0])) return [];
  const back = tidy(now.bias - sumAt(now, [(a + b) / 2, (a + b) / 2]), 2);
  return ["The boundary is outside the picture. ", button(`Set b to ${fmt(back)}`, () => edit({ bias: back }))];
}

function drawPage(page, state, edit) {
  const { view } = state, { s, now, next, at, visits } = view, n = s.points.length, asks = next && s.predict !== "off";
  page.box.node.hidden = !asks;
  if (asks) page.box.ask(questionOf(view));
  else page.box.reset();
  const hidden = asks && page.box.hidden();
  Object.assign(state, { hideOutput: hidden && s.predict === "output", hideUpdate: hidden, picked: Math.min(state.picked, n - 1) });
  if (hidden) page.steps.stop();
  const box = boxOf(s.points);
  state.anchor = anchorOf(state.anchor, now, box);
  page.plane.paint({ box, shade: (x, y) => sumAt(now, [x, y]) / 4, curves: curvesOf(view, state.anchor, box), marks: marksOf(view, state, page.act) });
  page.preset.set(presetOf(s.points));
  page.predict.set(s.predict);
  [...now.weight, now.bias, s.lr].forEach((value, i) => page.numbers[i].set(tidy(value, 6)));
  page.picked.replaceChildren(el("option", { value: -1 }, "no point picked"), ...s.points.map((point, i) => el("option", { value: i, selected: i === state.picked }, pointName(point, i))));
  page.flip.disabled = page.remove.disabled = state.picked < 0;
  page.double.disabled = length(now.weight) + Math.abs(now.bias) > LARGEST / 2;
  page.steps.set(at, visits.length + 1);
  page.steps.node.hidden = page.skip.hidden = Boolean(hidden);
  page.skip.disabled = !next;
  page.trouble.replaceChildren(...troubleOf(view, box, edit));
  page.note.textContent = state.note;
  page.count.replaceChildren(el("b", {}, `${state.hideOutput ? "?" : countRight(now, s.points)} of ${n} points right.`), next ? ` Pass ${Math.floor(at / n) + 1}, ${pointName(s.points[next.point], next.point)}:` : "");
  page.reading.replaceChildren(...(next ? reading(view, state) : [ending(view)]));
  page.tables.update();
  const words = !next ? page.reading.textContent : hidden ? "" : `ŷ = ${next.output}. New w ${vector(next.weight)}, new b ${fmt(next.bias)}.`;
  page.live.say([page.trouble.textContent, state.note, page.count.textContent, words].filter(Boolean).join(" "));
}

function render({ model, el: host }) {
  const state = { ...FRESH, model, view: shown(model) };
  const set = (traits) => {
    for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
    model.save_changes();
  };
  const edit = (traits, note = "") => {
    const { weight, bias } = state.view.now;
    page.steps.stop();
    state.note = note;
    set({ preset: presetOf(traits.points ?? state.view.s.points), weight: weight.map((v) => tidy(v)), bias: tidy(bias), position: 0, ...traits });
  };
  const draw = (more) => drawPage(page, Object.assign(state, more), edit);
  const page = buildPage(state, set, edit, draw);
  const update = () => draw({ view: shown(model) });
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const math = { PRESETS, presetOf, outputs, trace, bestCount, code };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model)), render, math };
