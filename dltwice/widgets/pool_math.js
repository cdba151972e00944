// The maths of PoolExplorer: pure functions of plain data, tested against torch. What it shares is in window_math.js.

const SIZES = { input_size: [1, 12], kernel_size: [1, 12], stride: [1, 12], padding: [0, 6], dilation: [1, 4] };
const POOL_INPUTS = {
  ...INPUTS,
  blank: (h, w) => table(h, w, () => 0),
  negative: (h, w) => table(h, w, (r, c) => numbersAt(r, c) - 5),
};

/** torch's average pooling has no dilation: there the trait counts as 1. */
const settle = (s) => (s.kind === "average" ? { ...s, dilation: [1, 1] } : s);

/** Output size along one axis by torch's rule, and how many windows more the ceil gave that start past X's end. */
function sizeAlong({ n, k, S, p, d }, ceil) {
  const steps = (n + 2 * p - reach(k, d)) / S, count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  const cut = Number(ceil && (count - 1) * S >= n + p);
  return { out: Math.max(0, count - cut), cut };
}
const outputSize = (s) => [0, 1].map((axis) => sizeAlong(along(s, axis), s.ceil_mode).out);

/** How many cells beyond the padded input the last window reaches: only with ceil_mode. */
const overAlong = ({ n, k, S, p, d }, out) => Math.max(0, (out - 1) * S + reach(k, d) - n - 2 * p);

const LETTERS = { p: "padding", k: "kernel_size", d: "dilation", n: "input_size" };
const range = ([min, max]) => Array.from({ length: max - min + 1 }, (_, i) => min + i);

/** Why torch refuses a setting along an axis, and the nearest that it takes: fewest settings changed, then by least. */
function fitProblem(s, axis) {
  const a = along(s, axis), { n, k, p } = a, fits = (one) => 2 * one.p <= one.k && sizeAlong(one, s.ceil_mode).out > 0;
  if (fits(a)) return [];
  let best = null, least = Infinity;
  const tryOne = (one) => {
    const keys = Object.keys(LETTERS).filter((key) => one[key] !== a[key]);
    const cost = keys.reduce((sum, key) => sum + 100 + Math.abs(one[key] - a[key]), 0);
    if (cost < least && fits(one)) [best, least] = [Object.fromEntries(keys.map((key) => [LETTERS[key], one[key]])), cost];
  };
  const all = (key) => (key === "d" && s.kind === "average" ? [1] : range(SIZES[LETTERS[key]]));
  for (const p of all("p")) for (const k of all("k")) for (const d of all("d")) for (const n of all("n")) tryOne({ ...a, p, k, d, n });
  const text = 2 * p > k ? `padding ${p} is more than half of the kernel’s ${k}: a window could read padding alone, so PyTorch refuses`
    : `${needs(a)}, but the ${p ? "padded " : ""}input has ${n + 2 * p}` + (s.ceil_mode ? ` and ceil_mode adds at most ${a.S - 1}` : "");
  return [{ message: `Along the ${AXES[axis]}, ${text}.`, axis, changes: best }];
}

/** What makes a setting impossible: a list of { message, axis, changes: { setting: value along the axis } }. */
const problems = (s) => findProblems(settle(s), fitProblem, (name, value) => ({ changes: { [name]: value } }));

// ---- one window ----------------------------------------------------------------------------------------

/**
 * The window of one output: its taps in row-major order, { at, where: "in" X, "pad" or "out" (beyond the padding),
 * value }; the value of the output; for max the tap that wins and those that tie with it; for average the divisor n.
 */
function windowAt(s, x, y) {
  const max = s.kind === "max", beyond = (i, axis) => i >= s.input_size[axis] + s.padding[axis];
  const taps = links(s, "y", y).map(({ x: at }) => {
    const value = x[at[0]]?.[at[1]], where = value !== undefined ? "in" : at.some(beyond) ? "out" : "pad";
    return { at, where, value: value ?? (max ? -Infinity : 0) };
  });
  const inside = taps.filter(({ where }) => where === "in");
  const n = s.count_include_pad ? taps.filter(({ where }) => where !== "out").length : inside.length;
  if (!max) return { taps, inside, n, value: inside.reduce((sum, { value }) => sum + value, 0) / n };
  const winner = inside.reduce((best, tap) => (best && best.value >= tap.value ? best : tap), null);
  const ties = inside.filter(({ value }) => value === winner.value);
  return { taps, inside, n, winner, ties, value: winner ? winner.value : -Infinity };
}

const windows = (s, x) => table(...outputSize(s), (r, c) => windowAt(s, x, [r, c]));

/** What each input cell in a window gets of the output's gradient: all for the winner, or 1/n each. */
const shares = ({ inside, n, winner }) => (winner === undefined ? inside.map(({ at }) => [at, 1 / n]) : winner ? [[winner.at, 1]] : []);

const pool = (s, x) => windows(s, x).map((row) => row.map(({ value }) => value));

/** The gradient of sum(dy · y) with respect to the input. */
function inputGrad(s, all, dy) {
  const dx = table(...s.input_size, () => 0);
  all.forEach((row, r) => row.forEach((one, c) => shares(one).forEach(([[i, j], share]) => (dx[i][j] += dy[r][c] * share))));
  return dx;
}

// ---- what a move changes -------------------------------------------------------------------------------

const withPixel = ({ input, pixel, bright }) => (pixel ? input.map((row, r) => row.map((old, c) => (same([r, c], pixel) ? bright : old))) : input);
const shifted = (x, [dr, dc]) => x.map((row, r) => row.map((_, c) => x[r - dr]?.[c - dc] ?? 0));
const differs = (a, b) => Math.abs(a - b) > 1e-9;
const changes = (a, b) => a.map((row, r) => row.map((value, c) => differs(value, b[r][c])));
const count = (marks) => marks.flat().filter(Boolean).length;

/** The outputs of three ways to make X smaller; picking takes the first cell of X in each window. */
const WAYS = {
  max: (s, x) => pool({ ...s, kind: "max" }, x),
  average: (s, x) => pool({ ...s, kind: "average" }, x),
  picking: (s, x) => windows(s, x).map((row) => row.map(({ inside }) => inside[0]?.value ?? 0)),
};
const WHERE = { left: [0, -1], right: [0, 1], up: [-1, 0], down: [1, 0] };

/** How many outputs change when X moves by one cell: { max: { left: 3, … }, … }. */
const shiftCounts = (s, x) => Object.fromEntries(Object.entries(WAYS).map(([way, run]) => {
  const before = run(s, x), after = (by) => count(changes(before, run(s, shifted(x, by))));
  return [way, Object.fromEntries(Object.entries(WHERE).map(([word, by]) => [word, after(by)]))];
}));

/** The PyTorch program that computes what is on the screen; `s.input` is X with the bright pixel in it. */
function code(s) {
  const max = s.kind === "max", py = (flag) => (flag ? "True" : "False"), pair = (key) => `${key}=(${s[key].join(", ")})`;
  const sizes = `    x[None, None], ${["kernel_size", "stride", "padding"].map(pair).join(", ")},`;
  const call = max ? ["y, winners = F.max_pool2d(", sizes, `    ${pair("dilation")}, ceil_mode=${py(s.ceil_mode)}, return_indices=True,`]
    : ["y = F.avg_pool2d(", sizes, `    ceil_mode=${py(s.ceil_mode)}, count_include_pad=${py(s.count_include_pad)},`];
  const dead = windows(s, s.input).flat().some(({ winner }) => winner === null);
  const back = () => (dead ? ["# No backward: a window without any cell of x has no winner for its gradient."]
    : ["", ...tensorLines("dy", s.upstream, ""), "y.backward(dy[None, None])", "print(x.grad)"]);
  return ["import torch", "import torch.nn.functional as F", "", ...tensorLines("x", s.input, ", requires_grad=True"), ...call, ")", "print(y[0, 0])",
    ...(max ? ["print(winners[0, 0])  # the winner of each output, counted row by row in x"] : []), ...(s.view === "backward" ? back() : []), ""].join("\n");
}
