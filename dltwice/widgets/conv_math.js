// The maths of ConvExplorer: pure functions of plain data, tested against torch. A setting `s` holds the traits.

const SIZES = { input_size: [1, 16], kernel_size: [1, 7], stride: [1, 8], padding: [0, 8], dilation: [1, 4] };
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

/** Output size along one axis; 0 means that the kernel does not fit. */
const outSize = ({ n, k, S, p, d }) => Math.max(0, Math.floor((n + 2 * p - reach(k, d)) / S) + 1);
const outputSize = (s) => [0, 1].map((axis) => outSize(along(s, axis)));

/** Why the kernel does not fit along an axis, and the smallest change of one setting that makes it fit. */
function fitProblem(s, axis) {
  const { n, k, p, d } = along(s, axis), span = reach(k, d), room = n + 2 * p;
  if (span <= room) return [];
  const options = [
    ["padding", Math.ceil((span - n) / 2), p],
    ["dilation", Math.floor((room - 1) / (k - 1)), d],
    ["kernel_size", Math.floor((room - 1) / d) + 1, k],
    ["input_size", span - 2 * p, n],
  ].filter(([name, value]) => value >= SIZES[name][0] && value <= SIZES[name][1]);
  const cost = ([, value, now]) => Math.abs(value - now);
  const [name, value] = options.sort((a, b) => cost(a) - cost(b))[0];
  const taps = d > 1 ? `${k} taps ${d} apart reach over ${span} cells` : `the kernel needs ${span} cells`;
  const message = `Along the ${AXES[axis]}, ${taps}, but the ${p ? "padded " : ""}input has ${room}.`;
  return [{ message, name, axis, value }];
}

/** What makes a setting impossible: a list of { message, name, axis, value }, where the last three are a way out. */
const problems = (s) => AXES.flatMap((text, axis) => {
  const ranges = Object.entries(SIZES).flatMap(([name, [min, max]]) => {
    const problem = numberProblem(`${name} ${text}`, s[name][axis], min, max);
    return problem ? [{ message: problem.message, name, axis, value: problem.fix }] : [];
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

function eachLink(s, visit) {
  const [rows, cols] = s.input_size.map((n, axis) => axisLinks(s, axis).filter(({ x }) => x >= 0 && x < n));
  for (const a of rows) for (const b of cols) visit(a, b);
}

function convolve(s, x, w, bias) {
  const y = table(...outputSize(s), () => bias);
  eachLink(s, (a, b) => (y[a.y][b.y] += x[a.x][b.x] * w[a.w][b.w]));
  return y;
}

/** The gradients of sum(dy · y) with respect to input, weights and bias. */
function gradients(s, x, w, dy) {
  const dx = table(...s.input_size, () => 0), dw = table(...s.kernel_size, () => 0);
  eachLink(s, (a, b) => {
    dx[a.x][b.x] += dy[a.y][b.y] * w[a.w][b.w];
    dw[a.w][b.w] += dy[a.y][b.y] * x[a.x][b.x];
  });
  return { dx, dw, db: dy.flat().reduce((sum, value) => sum + value, 0) };
}

/** How often each input cell is read: per axis, and as a map, the product of the two. Then rows and columns of 0. */
const reads = (s) => s.input_size.map((n, axis) =>
  Array.from({ length: n }, (_, i) => axisLinks(s, axis).filter(({ x }) => x === i).length));
const usage = (s) => outer(...reads(s));
const unread = (s) => reads(s).map((counts, axis, all) => counts.flatMap((count, i) => (count && all[1 - axis].some(Boolean) ? [] : [i])));

const numbersAt = (r, c) => (2 * r * r + 3 * c * c + r * c + 2 * c) % 5;
const upstreamAt = (r, c) => ((2 * r + 3 * c + 1) % 5) - 2;
const INPUTS = {
  numbers: (h, w) => table(h, w, numbersAt),
  seven: (h, w) => table(h, w, (r, c) => Number(!r || c === Math.floor(((w - 1) * (h - r)) / h))),
  edge: (h, w) => table(h, w, (r, c) => Number(2 * c >= w)),
  ramp: (h, w) => table(h, w, (r, c) => c),
  checkerboard: (h, w) => table(h, w, (r, c) => (r + c) % 2),
  impulse: (h, w) => cross(h, w, 1, 0),
};

/** A row of numbers times the polynomial a + b·t: what builds binomials and their differences. */
const times = (row, a, b) => [...row, 0].map((v, i) => a * v + b * (row[i - 1] ?? 0));
const binomial = (n) => (n < 2 ? [1] : times(binomial(n - 1), 1, 1));
const slope = (n) => (n < 2 ? [1] : times(binomial(n - 1), -1, 1));
const outer = (a, b, scale = 1) => a.map((u) => b.map((v) => (u * v) / scale));
const steps = (h, w, r, c) => Math.abs(r - ((h - 1) >> 1)) + Math.abs(c - ((w - 1) >> 1));
const cross = (h, w, center, side) => table(h, w, (r, c) => [center, side][steps(h, w, r, c)] ?? 0);
const sides = (h, w) => Math.min(2, h - 1) + Math.min(2, w - 1);
const KERNELS = {
  identity: (h, w) => cross(h, w, 1, 0),
  "box blur": (h, w) => table(h, w, () => 1 / (h * w)),
  gaussian: (h, w) => outer(binomial(h), binomial(w), 2 ** (h + w - 2)),
  "sobel x": (h, w) => outer(binomial(h), slope(w)),
  "sobel y": (h, w) => outer(slope(h), binomial(w)),
  laplacian: (h, w) => cross(h, w, -sides(h, w), 1),
  sharpen: (h, w) => cross(h, w, 1 + sides(h, w), -1),
};

/** The preset that rows of numbers are, or "". */
const presetOf = (presets, rows) => Object.keys(presets).find((name) => same(presets[name](rows.length, rows[0].length), rows)) ?? "";

/** Rows at another size: a preset is drawn anew, edited numbers keep their places. */
const resize = (presets, rows, size) =>
  presets[presetOf(presets, rows)]?.(...size) ?? fit(rows, size, presets === INPUTS ? numbersAt : () => 0);

/** The PyTorch program that computes what is on the screen. */
function code(s) {
  const grad = ", requires_grad=True";
  const tensor = (name, rows, end) => [`${name} = torch.tensor([`, ...rows.map((row) => `    [${row.join(", ")}],`), `], dtype=torch.float64${end})`];
  const settings = ["stride", "padding", "dilation"].map((name) => `${name}=(${s[name].join(", ")})`).join(", ");
  const [weight, note] = s.flip ? ["w.flip(0, 1)", "  # flipped: true convolution"] : ["w", ""];
  const back = () => ["", ...tensor("dy", s.upstream, ""), "y.backward(dy[None, None])", "print(x.grad, w.grad, b.grad)"];
  return ["import torch", "import torch.nn.functional as F", "", ...tensor("x", s.input, grad), ...tensor("w", s.kernel, grad),
    `b = torch.tensor([${s.bias}], dtype=torch.float64${grad})`,
    `y = F.conv2d(x[None, None], ${weight}[None, None], b, ${settings})${note}`,
    "print(y[0, 0])", ...(s.view === "backward" ? back() : []), ""].join("\n");
}
