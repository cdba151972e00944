// The maths of ConvExplorer: pure functions of plain data, tested against torch. What it shares is in window_math.js.

const SIZES = { input_size: [1, 16], kernel_size: [1, 7], stride: [1, 8], padding: [0, 8], dilation: [1, 4] };
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
  const message = `Along the ${AXES[axis]}, ${needs({ k, d })}, but the ${p ? "padded " : ""}input has ${room}.`;
  return [{ message, name, axis, value }];
}

/** What makes a setting impossible: a list of { message, name, axis, value }, where the last three are a way out. */
const problems = (s) => findProblems(s, fitProblem, (name, value) => ({ name, value }));

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

/** A row of numbers times the polynomial a + b·t: what builds binomials and their differences. */
const times = (row, a, b) => [...row, 0].map((v, i) => a * v + b * (row[i - 1] ?? 0));
const binomial = (n) => (n < 2 ? [1] : times(binomial(n - 1), 1, 1));
const slope = (n) => (n < 2 ? [1] : times(binomial(n - 1), -1, 1));
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

/** The PyTorch program that computes what is on the screen. */
function code(s) {
  const grad = ", requires_grad=True";
  const settings = ["stride", "padding", "dilation"].map((name) => `${name}=(${s[name].join(", ")})`).join(", ");
  const [weight, note] = s.flip ? ["w.flip(0, 1)", "  # flipped: true convolution"] : ["w", ""];
  const back = () => ["", ...tensorLines("dy", s.upstream, ""), "y.backward(dy[None, None])", "print(x.grad, w.grad, b.grad)"];
  return ["import torch", "import torch.nn.functional as F", "", ...tensorLines("x", s.input, grad), ...tensorLines("w", s.kernel, grad),
    `b = torch.tensor([${s.bias}], dtype=torch.float64${grad})`,
    `y = F.conv2d(x[None, None], ${weight}[None, None], b, ${settings})${note}`,
    "print(y[0, 0])", ...(s.view === "backward" ? back() : []), ""].join("\n");
}
