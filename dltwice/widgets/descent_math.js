// The maths of DescentExplorer: pure functions of plain data, tested against torch. A setting `s` holds the traits.

const EDGE = 3; // the picture shows −3 … 3 along both parameters
const isSgd = (s) => s.optimizer === "SGD", isBowl = (s) => s.surface === "bowl";

/** What holds of a setting, by the names that fields and program use. */
const holds = (s) => ({ [s.surface]: 1, [isSgd(s) ? "sgd" : "adam"]: 1, turned: isBowl(s) && s.angle, noise: s.noise, nesterov: isSgd(s) && s.nesterov });

// ---- surfaces: the loss at [θ₁, θ₂], its gradient, its curvatures at a minimum, its minima ----------------

/** θ along the axes of the bowl; `way` −1 turns back. */
function turn(s, [x, y], way = 1) {
  const angle = (s.angle * Math.PI) / 180, c = Math.cos(angle), n = way * Math.sin(angle);
  return [c * x + n * y, c * y - n * x];
}

const SURFACES = {
  bowl: {
    loss: (s, at) => turn(s, at).reduce((sum, u, i) => sum + (s.eigenvalues[i] * u * u) / 2, 0),
    grad: (s, at) => turn(s, turn(s, at).map((u, i) => s.eigenvalues[i] * u), -1),
    curvatures: (s) => s.eigenvalues,
    minima: [[0, 0]],
  },
  saddle: {
    loss: (s, [x, y]) => (x * x - 1) ** 2 / 4 + 2 * y * y,
    grad: (s, [x, y]) => [x ** 3 - x, 4 * y],
    curvatures: () => [2, 4],
    minima: [[-1, 0], [1, 0]],
  },
  valley: {
    loss: (s, [x, y]) => (1 - x) ** 2 / 2 + 5 * (y - x * x) ** 2,
    grad: (s, [x, y]) => [x - 1 - 20 * x * (y - x * x), 10 * (y - x * x)],
    curvatures: () => [(51 - 2561 ** 0.5) / 2, (51 + 2561 ** 0.5) / 2],
    minima: [[1, 1]],
  },
};
const lossAt = (s, at) => SURFACES[s.surface].loss(s, at);
const curvatures = (s) => SURFACES[s.surface].curvatures(s);

// ---- optimizers ------------------------------------------------------------------------------------------

/** One coordinate, one step of torch's optimizer: θ at its end, and every number on the way there, by its letter. */
function update(s, theta, slope, old, t) {
  const { lr, momentum, weight_decay: w, betas: [b1, b2] } = s, isW = s.optimizer === "AdamW", g = slope + (isW ? 0 : w * theta);
  if (isSgd(s)) {
    const v = momentum && t > 1 ? momentum * old.v + g : g, d = s.nesterov ? g + momentum * v : v;
    return { g, v, d, θ: theta - lr * d };
  }
  const m = old.m + (1 - b1) * (g - old.m), v = b2 * old.v + (1 - b2) * g * g, m̂ = m / (1 - b1 ** t), v̂ = v / (1 - b2 ** t);
  return { g, m, v, m̂, v̂, θ: theta * (isW ? 1 - lr * w : 1) - (lr * m̂) / (Math.sqrt(v̂) + s.eps) };
}

/** The path, step by step: { θ, loss, slope, noise, old, next, end }; `next` is the update that follows, by coordinate, `end` the next θ. */
function descend(s) {
  const { normal } = seeded(s.seed), size = s.noise / s.batch_size ** 0.5;
  let θ = s.start, old = [{ m: 0, v: 0 }, { m: 0, v: 0 }];
  return Array.from({ length: s.steps + 1 }, (_, t) => {
    const slope = SURFACES[s.surface].grad(s, θ), noise = θ.map(() => size * normal());
    const next = θ.map((one, i) => update(s, one, slope[i] + noise[i], old[i], t + 1)), end = next.map((one) => one.θ);
    const now = { θ, loss: lossAt(s, θ), slope, noise, old, next, end };
    [θ, old] = [end, next];
    return now;
  });
}

// ---- theory ----------------------------------------------------------------------------------------------

/** The η above which SGD diverges; null for Adam and AdamW, which have no limit of this form. */
function limitOf(s) {
  const mu = s.momentum, steepest = Math.max(...curvatures(s)) + s.weight_decay;
  return isSgd(s) ? (2 * (1 + mu)) / (s.nesterov ? 1 + 2 * mu : 1) / steepest : null;
}

/** −1, 0 or 1: η is below, at or above the limit. */
const aboveLimit = (s) => Math.sign(Math.round((s.lr / limitOf(s) - 1) * 1e9));

/** By which factor each u changes per step, 1 − ηλ; null where it is not the same at every step. */
const factors = (s) => (isSgd(s) && isBowl(s) && !s.momentum ? s.eigenvalues.map((one) => 1 - s.lr * (one + s.weight_decay)) : null);

/** Whether a path ends outside the picture, higher than it began. */
function isLost(path) {
  const { θ, loss } = path.at(-1);
  return !θ.every((one) => Math.abs(one) <= EDGE) && !(loss < path[0].loss);
}

/** What PyTorch refuses, or why the path diverges, and a way out: null or { refused, message, fix, traits }. */
function problem(s) {
  if (isSgd(s) && s.nesterov && !s.momentum) return { refused: true, message: "Nesterov needs a momentum above 0.", fix: "Set momentum to 0.9", traits: { momentum: 0.9 } };
  const limit = isBowl(s) && limitOf(s), less = (value) => Number((value * 0.95).toPrecision(2));
  if (limit ? aboveLimit(s) < 1 : !isLost(descend(s))) return null;
  let lr = less(limit || s.lr);
  while (!limit && lr > 1e-5 && isLost(descend({ ...s, lr }))) lr = less(lr);
  const why = limit ? `η = ${fmt(s.lr)} is above the limit ${fmt(limit)}.` : "The path ends outside the picture.";
  return { message: `It diverges. ${why}`, fix: `Set η to ${fmt(lr)}`, traits: { lr } };
}

// ---- contours and program --------------------------------------------------------------------------------

/** Contour lines, each level a quarter of the next, as points with breaks: the squares of a grid, each crossed along a line. */
function contours(s, n = 48) {
  const side = Array.from({ length: n + 1 }, (_, i) => EDGE * ((2 * i) / n - 1)), spots = side.map((x) => side.map((y) => [x, y, lossAt(s, [x, y])]));
  const top = Math.max(...spots.flat().map((one) => one[2]));
  const cross = (corners, level) => corners.flatMap((p, k) => {
    const q = corners[(k + 1) % 4], part = (level - p[2]) / (q[2] - p[2]);
    return p[2] < level === q[2] < level ? [] : [[0, 1].map((axis) => p[axis] + part * (q[axis] - p[axis]))];
  });
  const squares = side.slice(1).flatMap((_, i) => side.slice(1).map((__, j) => [spots[i][j], spots[i + 1][j], spots[i + 1][j + 1], spots[i][j + 1]]));
  return { top, levels: [1, 2, 3, 4, 5, 6, 7].map((k) => ({ points: squares.flatMap((corners) => [...cross(corners, top / 4 ** k), null]) })) };
}

/** A value as a Python program has it; pairs in floats, because Adam refuses betas of which one is 0. */
function python(value) {
  if (Array.isArray(value)) return value.map((one) => python(one).replace(/^-?\d+$/, "$&.0")).join(", ");
  return value && Math.abs(value) < 1e-4 ? value.toExponential().replace(/e-(\d)$/, "e-0$1") : String(value);
}

/** The PyTorch program: the template's lines, without those that begin with a condition, `noise?`, that does not hold. */
function code(s) {
  const lines = s._program.split("\n").map((line) => /^(?:(\w+)\?)?(.*)/.exec(line)).filter(([, when]) => !when || holds(s)[when]);
  return lines.map(([, , text]) => text.replace(/\{(\w+)\}/g, (_, name) => python(s[name]))).join("\n");
}
