// The maths of XORFolding: pure functions, tested against torch. Parameters are one row `t`: for each hidden unit its
// two weights, its bias and its weight in the output, and at the end the output's bias. `act` names the activation.

const POINTS = [[0, 0], [0, 1], [1, 0], [1, 1]], TARGETS = [0, 1, 1, 0], TOO_LARGE = 1e9;
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

/** By name: the value, the derivative as a function of the value, torch's module. */
const ACTIVATIONS = {
  step: [(z) => Number(z >= 0), null, "Step()"],
  identity: [(z) => z, () => 1, "nn.Identity()"],
  sigmoid: [sigmoid, (h) => h * (1 - h), "nn.Sigmoid()"],
  tanh: [Math.tanh, (h) => 1 - h * h, "nn.Tanh()"],
  relu: [(z) => Math.max(z, 0), (h) => Number(h > 0), "nn.ReLU()"],
};

/** XOR by hand: the activation and the parameters. */
const BY_HAND = { "step by hand": ["step", [1, 1, -0.5, 1, -1, -1, 1.5, 1, -1.5]], "relu by hand": ["relu", [1, 1, 0, 1, 1, 1, -1, -2, -0.5]] };

/** Weights from U(−1/√fan_in, 1/√fan_in), cut to three digits. */
function drawWeights(seed, h) {
  const { uniform } = seeded(seed);
  return times(4 * h + 1, (i) => Math.trunc(((2 * uniform() - 1) / Math.sqrt(i % 4 === 3 || i === 4 * h ? h : 2)) * 1000) / 1000);
}

/** From and to a state_dict, torch's names and shapes. */
const toRow = (w) => [...w["0.weight"].flatMap((pair, j) => [...pair, w["0.bias"][j], w["2.weight"][0][j]]), ...w["2.bias"]];
function toDict(t) {
  const units = times(t.length >> 2, (j) => Array.from(t.slice(4 * j, 4 * j + 4))), part = (k) => units.map((u) => u[k]);
  return { "0.weight": units.map((u) => u.slice(0, 2)), "0.bias": part(2), "2.weight": [part(3)], "2.bias": [t.at(-1)] };
}

/** A hidden unit's weighted sum for one point; then all units' outputs and the logit z. */
const sumOf = (t, j, [x1, x2]) => t[4 * j] * x1 + t[4 * j + 1] * x2 + t[4 * j + 2];
function forward(t, act, x) {
  const h = times(t.length >> 2, (j) => ACTIVATIONS[act][0](sumOf(t, j, x)));
  return { h, z: h.reduce((sum, value, j) => sum + t[4 * j + 3] * value, t.at(-1)) };
}

const bce = (z, y) => Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)));

/** What the network makes of the four points: [{ h, z, ok }], the mean loss, and how many are right. z ≥ 0 says 1;
 * a z within 1e-9 of 0 counts as 0, so that rounding decides nothing. */
function evaluate(t, act) {
  const at = POINTS.map((x) => forward(t, act, x)).map((one, i) => ({ ...one, ok: one.z >= -1e-9 === (TARGETS[i] > 0) }));
  return { at, loss: at.reduce((sum, { z }, i) => sum + bce(z, TARGETS[i]) / 4, 0), right: at.filter(({ ok }) => ok).length };
}

/** The loss's gradient for all parameters, from what `evaluate` found at the four points. */
function gradient(t, act, at) {
  const grad = t.map(() => 0), slope = ACTIVATIONS[act][1];
  at.forEach(({ h, z }, i) => {
    const dz = (sigmoid(z) - TARGETS[i]) / 4, [x1, x2] = POINTS[i];
    h.forEach((value, j) => {
      const da = dz * t[4 * j + 3] * slope(value);
      [da * x1, da * x2, da, dz * value].forEach((d, k) => (grad[4 * j + k] += d));
    });
    grad[t.length - 1] += dz;
  });
  return grad;
}

/** Full-batch gradient descent: parameters, losses and right points at each step. It ends where it diverges. */
function train(start, act, lr, steps) {
  const path = [Float64Array.from(start)], losses = [], rights = [];
  for (const t of path) {
    const { at, loss, right } = evaluate(t, act), grad = gradient(t, act, at), next = t.map((v, i) => v - lr * grad[i]);
    losses.push(loss);
    rights.push(right);
    if (path.length <= steps && next.every((v) => Math.abs(v) <= TOO_LARGE)) path.push(next);
  }
  return { path, losses, rights, diverged: path.length <= steps };
}

/** The steps that playing stops at: close together at first, at most a hundredth of all apart at the end. */
const framesOf = (last) => [...new Set(times(201, (k) => Math.round(last * (k / 200) ** 2)))];

/** Where a function is 0 in a box, as short pieces of a curve with null between them. */
function contour(f, [x0, x1, y0, y1], n = 41) {
  const at = ([i, j]) => [x0 + ((x1 - x0) * i) / n, y0 + ((y1 - y0) * j) / n];
  const values = times(n + 1, (i) => times(n + 1, (j) => f(at([i, j]))));
  return times(n * n, (k) => [k % n, Math.floor(k / n)]).flatMap(([i, j]) => {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
    const cuts = corners.flatMap((here, k) => {
      const there = corners[(k + 1) % 4], u = values[here[0]][here[1]], v = values[there[0]][there[1]];
      return u < 0 === v < 0 ? [] : [at(here.map((p, m) => p + ((there[m] - p) * u) / (u - v)))];
    });
    return cuts.length ? [...cuts, null] : [];
  });
}

/** The PyTorch program that computes what is on the screen, from its parts. */
function code([imports, stepModule, network, training, end], start, act, lr, steps) {
  const weights = Object.entries(toDict(start)).map(([name, v]) => `\n    "${name}": ${JSON.stringify(v).replaceAll(",", ", ")},`).join("");
  const values = { weights, hidden: start.length >> 2, module: ACTIVATIONS[act][2], lr, steps };
  return [imports, act === "step" ? stepModule : "", network, steps ? training : "", end].join("").replace(/<(\w+)>/g, (_, name) => values[name]);
}
