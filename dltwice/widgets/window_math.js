// The maths that ConvExplorer and PoolExplorer share: windows along an axis, tables of numbers, presets, programs.
// A setting `s` holds the traits. Each explorer's own maths has the ranges SIZES and its outputSize(s).

const AXES = ["height", "width"];

const table = (h, w, value) => Array.from({ length: h }, (_, r) => Array.from({ length: w }, (_, c) => value(r, c)));
const fit = (rows, [h, w], fill) => table(h, w, (r, c) => rows[r]?.[c] ?? fill(r, c));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The setting along one axis (0 height, 1 width), by the letters of the formula. */
const along = (s, axis) => {
  const [n, k, S, p, d] = Object.keys(SIZES).map((name) => s[name][axis]);
  return { n, k, S, p, d };
};

/** How many cells a kernel of k reaches over when its taps are d apart. */
const reach = (k, d) => d * (k - 1) + 1;

/** In words: what the kernel needs along an axis. */
const needs = ({ k, d }) => (d > 1 ? `${k} taps ${d} apart reach over ${reach(k, d)} cells` : `the kernel needs ${reach(k, d)} cells`);

/** What makes a setting impossible: out of range, or `fitProblem(s, axis)`, each a list of { message, axis, … }. */
const findProblems = (s, fitProblem, asFix) => AXES.flatMap((text, axis) => {
  const ranges = Object.entries(SIZES).flatMap(([name, [min, max]]) => {
    const problem = numberProblem(`${name} ${text}`, s[name][axis], min, max);
    return problem ? [{ message: problem.message, axis, ...asFix(name, problem.fix) }] : [];
  });
  return ranges.length ? ranges : fitProblem(s, axis);
});

/** The one relation behind everything: along one axis, input x meets weight w in output y. */
function axisLinks(s, axis) {
  const { k, S, p, d } = along(s, axis);
  return table(outputSize(s)[axis], k, (y, i) => ({ x: y * S - p + (s.flip ? k - 1 - i : i) * d, w: i, y })).flat();
}

/** All links of one cell, of kind "x", "w" or "y": [{ x: [r, c], w: [r, c], y: [r, c] }]. */
function links(s, kind, at) {
  const [rows, cols] = at.map((i, axis) => axisLinks(s, axis).filter((link) => link[kind] === i));
  return rows.flatMap((a) => cols.map((b) => ({ x: [a.x, b.x], w: [a.w, b.w], y: [a.y, b.y] })));
}

/** How often each input cell is read: per axis, and as a map, the product of the two. Then rows and columns of 0. */
const outer = (a, b, scale = 1) => a.map((u) => b.map((v) => (u * v) / scale));
const reads = (s) => s.input_size.map((n, axis) =>
  Array.from({ length: n }, (_, i) => axisLinks(s, axis).filter(({ x }) => x === i).length));
const usage = (s) => outer(...reads(s));
const unread = (s) => reads(s).map((counts, axis, all) => counts.flatMap((count, i) => (count && all[1 - axis].some(Boolean) ? [] : [i])));

const numbersAt = (r, c) => (2 * r * r + 3 * c * c + r * c + 2 * c) % 5;
const upstreamAt = (r, c) => ((2 * r + 3 * c + 1) % 5) - 2;
const steps = (h, w, r, c) => Math.abs(r - ((h - 1) >> 1)) + Math.abs(c - ((w - 1) >> 1));
const cross = (h, w, center, side) => table(h, w, (r, c) => [center, side][steps(h, w, r, c)] ?? 0);
const INPUTS = {
  numbers: (h, w) => table(h, w, numbersAt),
  seven: (h, w) => table(h, w, (r, c) => Number(!r || c === Math.floor(((w - 1) * (h - r)) / h))),
  edge: (h, w) => table(h, w, (r, c) => Number(2 * c >= w)),
  ramp: (h, w) => table(h, w, (r, c) => c),
  checkerboard: (h, w) => table(h, w, (r, c) => (r + c) % 2),
  impulse: (h, w) => cross(h, w, 1, 0),
};

/** The preset that rows of numbers are, or "". */
const presetOf = (presets, rows) => Object.keys(presets).find((name) => same(presets[name](rows.length, rows[0].length), rows)) ?? "";

/** Rows at another size: a preset is drawn anew, edited numbers keep their places. */
const resize = (presets, rows, size) =>
  presets[presetOf(presets, rows)]?.(...size) ?? fit(rows, size, presets.numbers ? numbersAt : () => 0);

/** The lines of a program that make a tensor. */
const tensorLines = (name, rows, end) => [`${name} = torch.tensor([`, ...rows.map((row) => `    [${row.join(", ")}],`), `], dtype=torch.float64${end})`];
