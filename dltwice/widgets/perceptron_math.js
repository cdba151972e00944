// The maths of PerceptronBoundary: pure functions of plain data, tested against torch. A setting `s` holds the traits;
// a point is a row [x₁, x₂, y], `now` is { weight: [w₁, w₂], bias }. perceptron_boundary.py has the same.

const gate = (...labels) => labels.map((y, i) => [i >> 1, i & 1, y]);
const PRESETS = {
  AND: gate(0, 0, 0, 1), OR: gate(0, 1, 1, 1), NAND: gate(1, 1, 1, 0), XOR: gate(0, 1, 1, 0),
  clusters: [[-0.9, -0.4, 0], [1.2, 1.6, 1], [-0.4, -1, 0], [0.8, 1.9, 1], [-1.1, 0.3, 0], [1.9, 0.9, 1],
    [0.1, -0.7, 0], [1.5, 1.2, 1], [-0.5, 0.1, 0], [0.6, 1.3, 1], [0.3, 0, 0], [1.7, 1.9, 1]],
  overlap: [[-0.8, -0.3, 0], [1.4, 1.5, 1], [-0.2, -0.9, 0], [0.9, 0.4, 1], [0.4, 0.2, 0], [1.8, 0.8, 1],
    [1.1, 1, 0], [0.6, 1.4, 1], [-0.5, 0.6, 0], [-0.1, 0.1, 1], [0.2, -0.2, 0], [1.5, 0.2, 1]],
};
const LIMIT = 600;

const presetOf = (points) => Object.keys(PRESETS).find((name) => JSON.stringify(PRESETS[name]) === JSON.stringify(points)) ?? "custom";

/** w · x + b; within 1e-9 of 0 it is 0, because 0.1 + 0.2 − 0.3 is not in floating point. */
const sumAt = ({ weight: [w1, w2], bias }, [x1, x2]) => {
  const z = w1 * x1 + w2 * x2 + bias;
  return Math.abs(z) < 1e-9 ? 0 : z;
};
const outputs = (now, points) => points.map((point) => Number(sumAt(now, point) >= 0));
const countRight = (now, points) => outputs(now, points).filter((output, i) => output === points[i][2]).length;

/** What the point in turn gives, and w and b after its update. */
function visit(s, { weight, bias }, point) {
  const [x1, x2, y] = s.points[point], z = sumAt({ weight, bias }, [x1, x2]), output = Number(z >= 0), change = s.lr * (y - output);
  return { point, z, output, error: y - output, weight: [weight[0] + change * x1, weight[1] + change * x2], bias: bias + change };
}

/** Every visit of a point in turn, and how that ends: "clean", "repeat" or "limit"; `from` is the earlier equal pass. */
function trace(s) {
  const visits = [], seen = new Map(), n = s.points.length;
  let now = s;
  for (let pass = 0; ; pass++) {
    const key = [...now.weight, now.bias].map((value) => Math.round(value * 1e9) + 0).join();
    if (seen.has(key)) return { visits, end: "repeat", from: seen.get(key) };
    if (visits.length + n > LIMIT) return { visits, end: "limit" };
    seen.set(key, pass);
    for (let i = 0; i < n; i++) visits.push((now = visit(s, now, i)));
    if (visits.slice(-n).every(({ error }) => !error)) return { visits, end: "clean" };
  }
}

/** w and b after `position` points. */
const nowOf = (s, visits) => visits[Math.min(s.position, visits.length) - 1] ?? s;

/** The most labels that a bias gets right for w at an angle. */
function bestAlong(points, angle) {
  const along = points.map(([x1, x2, y]) => [x1 * Math.cos(angle) + x2 * Math.sin(angle), y]).sort((a, b) => a[0] - b[0]);
  let right = points.filter(([, , y]) => y).length, best = right;
  along.forEach(([place, y], i) => {
    right += y ? -1 : 1;
    if (!along[i + 1] || along[i + 1][0] - place > 1e-9) best = Math.max(best, right);
  });
  return best;
}

/**
 * How many points the best line gets right. Only the order of the points along w matters, and it changes where w is at
 * right angles to the connection of two points: one direction between any two of those, and all biases.
 */
function bestCount(points) {
  const turns = new Set(points.flatMap((a, i) => points.slice(i + 1).filter((b) => a[0] !== b[0] || a[1] !== b[1])
    .map((b) => ((Math.atan2(b[1] - a[1], b[0] - a[0]) + Math.PI) % Math.PI).toFixed(12))));
  const half = turns.size ? [...turns].map(Number) : [0], angles = [...half, ...half.map((angle) => angle + Math.PI)].sort((a, b) => a - b);
  return Math.max(...angles.map((a, i) => bestAlong(points, (a + (angles[i + 1] ?? angles[0] + 2 * Math.PI) + Math.PI) / 2)));
}

/** The PyTorch program that arrives at the shown weights. */
function code(s) {
  return `import torch

points = torch.tensor([
${s.points.map((row) => "    [" + row.join(", ") + "],").join("\n")}
], dtype=torch.float64)
x, y = points[:, :2], points[:, 2]
lr = ${s.lr}
neuron = torch.nn.Linear(2, 1).double()
with torch.no_grad():
    neuron.weight[0, 0], neuron.weight[0, 1] = ${s.weight.join(", ")}
    neuron.bias.fill_(${s.bias})
    for n in range(${Math.min(s.position, trace(s).visits.length)}):
        i = n % len(x)
        z = neuron(x[i]).round(decimals=9)  # 0.1 + 0.2 - 0.3 has no sign
        error = y[i] - (z >= 0).double()
        neuron.weight += lr * error * x[i]
        neuron.bias += lr * error
    y_hat = (neuron(x).round(decimals=9) >= 0).double()[:, 0]
print(neuron.weight, neuron.bias, y_hat)
`;
}
