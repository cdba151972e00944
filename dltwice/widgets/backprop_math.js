// The maths of BackpropStepper: pure functions of plain data, tested against torch. A setting `s` holds the traits.
// Units are numbered 1 and 2 (hidden) and 3 (output); w_ji leads to unit j from unit or input i.

const PARAMS = "w11 w12 b1 w21 w22 b2 w31 w32 b3".split(" ");
const GIVEN = ["x1", "x2", ...PARAMS];
const FORWARD = "z1 z2 h1 h2 z3 y_hat L".split(" ");
const BACKWARD = [..."L y_hat z3 w31 w32 b3 h1 h2 z1 z2".split(" "), ...PARAMS.slice(0, 6), "x1", "x2"];
const EPS = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12];
const LIMIT = 1000; // of inputs, target, weights and biases: past it, weights diverge
const MSE = "MSELoss", BCE = "BCEWithLogitsLoss";

const table = (names, value) => Object.fromEntries(names.map((name, i) => [name, value(name, i)]));
const sigmoid = (z) => (z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z)));

/** Each activation: its value, its slope from h and z, and both as text, where # is the unit's number. */
const ACTS = {
  sigmoid: { f: sigmoid, slope: (h) => h * (1 - h), text: "{1|1+e^{−z#}}", slopeText: "h#(1 − h#)" },
  tanh: { f: Math.tanh, slope: (h) => 1 - h * h, text: "tanh(z#)", slopeText: "(1 − h#²)" },
  relu: { f: (z) => Math.max(0, z), slope: (h, z) => Number(z > 0), text: "max(0, z#)", slopeText: "ReLU′(z#)" },
  identity: { f: (z) => z, slope: () => 1, text: "z#", slopeText: "1" },
};

/** The loss of z₃, without the overflow of log(1 − ŷ); where ŷ itself is moved by `by`, of ŷ. */
function lossOf({ loss, target }, z, by) {
  if (loss === MSE) return (z + by - target) ** 2;
  if (!by) return Math.max(z, 0) - z * target + Math.log1p(Math.exp(-Math.abs(z)));
  const term = (weight, p) => weight && -weight * Math.log(p);
  return term(target, sigmoid(z) + by) + term(1 - target, sigmoid(-z) - by);
}

/** All values, by name. `by` is added to the value `moved` before the later ones are computed from it. */
function forward(s, p, moved = "", by = 0) {
  const move = (name) => (name === moved ? by : 0), v = table(GIVEN, (name) => (p[name] ?? s[name]) + move(name));
  for (const j of [1, 2]) {
    v[`z${j}`] = v[`w${j}1`] * v.x1 + v[`w${j}2`] * v.x2 + v[`b${j}`] + move(`z${j}`);
    v[`h${j}`] = ACTS[s.activation].f(v[`z${j}`]) + move(`h${j}`);
  }
  v.z3 = v.w31 * v.h1 + v.w32 * v.h2 + v.b3 + move("z3");
  v.y_hat = (s.loss === BCE ? sigmoid(v.z3) : v.z3) + move("y_hat");
  v.L = lossOf(s, v.z3, move("y_hat")) + move("L");
  return v;
}

/** ∂next/∂name, the factor of one edge. With BCE, sigmoid and loss are one edge from z₃, as in torch. */
function slope({ activation, loss, target }, v, name, next) {
  const [kind, j] = name, over = (weight, p) => weight && weight / p;
  if (next === "L") return kind === "z" ? v.y_hat - target : loss === MSE ? 2 * (v.y_hat - target) : over(1 - target, sigmoid(-v.z3)) - over(target, v.y_hat);
  if (kind === "z") return j > 2 ? 1 : ACTS[activation].slope(v[next], v[name]);
  return kind === "b" ? 1 : v[partner(name, next[1])];
}

/** What `name` is multiplied with on its way into unit j: the weight of an input, the input of a weight. */
const partner = (name, j) => (name[0] === "w" ? (j > 2 ? "h" : "x") + name[2] : `w${j}${name[1]}`);

/** Where a value is used next: x₁ goes two ways, everything else one. */
function nexts({ loss }, [kind, j]) {
  if (kind === "z") return [j < 3 ? `h${j}` : loss === BCE ? "L" : "y_hat"];
  return { x: ["z1", "z2"], h: ["z3"], y: ["L"], L: [] }[kind] ?? [`z${j}`];
}

/** ∂L/∂name for every name: the sum over the ways on of (gradient there) · (factor of the edge). */
function backward(s, v) {
  const g = { L: 1 };
  for (const name of BACKWARD.slice(1)) g[name] = nexts(s, name).reduce((sum, next) => sum + g[next] * slope(s, v, name, next), 0);
  return g;
}

/** All ways from a value to the loss, each a list of names: [["x1", "z1", "h1", …, "L"], …]. */
const paths = (s, name) => (name === "L" ? [["L"]] : nexts(s, name).flatMap((next) => paths(s, next).map((rest) => [name, ...rest])));

/** (L(θ + ε) − L(θ − ε)) / 2ε with both losses; NaN where ŷ ± ε leaves 0 … 1. */
function numeric(s, p, name, eps) {
  const [plus, minus] = [eps, -eps].map((by) => forward(s, p, name, by));
  const kink = s.activation === "relu" && [1, 2].some((j) => plus[`z${j}`] > 0 !== minus[`z${j}`] > 0);
  return { plus: plus.L, minus: minus.L, value: (plus.L - minus.L) / (2 * eps), kink };
}

const updated = (s, p, g) => table(PARAMS, (name) => p[name] - s.lr * g[name]);

/** The weights after `iteration` updates, the loss at each, and `lost`: the update that leaves ±LIMIT, and where to. */
function train(s) {
  let p = table(PARAMS, (name) => s[name]);
  const losses = [];
  for (let k = 0; ; k++) {
    const v = forward(s, p);
    losses.push(v.L);
    if (k >= s.iteration) return { p, losses, lost: null };
    const next = updated(s, p, backward(s, v)), name = PARAMS.find((key) => !(Math.abs(next[key]) <= LIMIT));
    if (name) return { p, losses, lost: { update: k + 1, name, value: next[name] } };
    p = next;
  }
}

/** What makes a setting impossible, and ways out: [{ message, fixes: [[text, traits]] }]. */
function problems(s) {
  if (s.loss === BCE && !(s.target >= 0 && s.target <= 1)) {
    const target = Number(s.target > 1);
    return [{ message: `${BCE} takes the target for a probability, from 0 to 1; ${fmt(s.target)} is not.`, fixes: [[`Set target to ${target}`, { target }], [`Use ${MSE}`, { loss: MSE }]] }];
  }
  const { lost } = train(s);
  if (!lost) return [];
  let { lr } = s;
  while (train({ ...s, lr }).lost) lr /= 2;
  const iteration = lost.update - 1;
  return [{ message: `Update ${lost.update} sends ${lost.name} to ${fmt(lost.value)}, past ±${LIMIT}: with η = ${fmt(s.lr)} the weights diverge.`,
    fixes: [[`Set η to ${fmt(lr)}`, { lr }], [`Back to iteration ${iteration}`, { iteration }]] }];
}

/** Everything that one drawing needs; null while the setting is impossible. */
function compute(s) {
  if (problems(s)[0]) return null;
  const { p, losses } = train(s), v = forward(s, p), g = backward(s, v), next = updated(s, p, g);
  return { p, losses, v, g, next, after: forward(s, next) };
}

// ---- formulas as text: {a|b} is a fraction; names are replaced by numbers where numbers are wanted --------------------

const sign = (name) => (name === "y_hat" ? "ŷ" : name);
const partial = (name, of = "L") => `∂${sign(of)}/∂${sign(name)}`;

/** A number with four digits, or a text as it is; `signed` puts a negative one into parentheses, to stand behind an operator. */
const num = (value, digits) => (value?.trim ? value : fmt(value, digits).replace("Infinity", "∞"));
const signed = (value, digits) => (value < 0 ? `(${num(value, digits)})` : num(value, digits));

/** How a value is computed, in symbols. */
function valueText({ loss, activation }, name) {
  const [kind, j] = name, from = j > 2 ? "h" : "x";
  if (kind === "L") return loss === MSE ? "(ŷ − y)²" : "−y · ln(ŷ) − (1 − y) · ln(1 − ŷ)";
  if (kind === "y") return loss === MSE ? "z3" : "{1|1+e^{−z3}}";
  return kind === "h" ? ACTS[activation].text.replaceAll("#", j) : `w${j}1 · ${from}1 + w${j}2 · ${from}2 + b${j}`;
}

/** ∂next/∂name in symbols. */
function slopeText({ loss, activation }, name, next) {
  const [kind, j] = name;
  if (next === "L") return kind === "z" ? "ŷ − y" : loss === MSE ? "2(ŷ − y)" : "{ŷ − y|ŷ(1 − ŷ)}";
  if (kind === "z") return j > 2 ? "1" : ACTS[activation].slopeText.replaceAll("#", j);
  return kind === "b" ? "1" : partner(name, next[1]);
}

/** ∂L/∂name in symbols, from the gradients that are known already. */
const gradientText = (s, name) => nexts(s, name).map((next) => (next === "L" ? "" : `${partial(next)} · `) + slopeText(s, name, next)).join(" + ") || "1";

/** The same with numbers in the place of names. */
function withNumbers({ target }, { v, g }, text) {
  const values = { ...v, ŷ: v.y_hat, y: target }, grads = { ...g, ŷ: g.y_hat };
  return text.replace(/∂L\/∂(ŷ|L|[a-z]\d+)|(?<![\p{L}∂])([xwbzh]\d+|ŷ|y|L)(?![\p{L}\d])/gu, (all, grad, name, at) => {
    const value = grad ? grads[grad] : values[name], end = text[at + all.length] ?? "", size = Math.abs(value);
    const shown = num(value, size > 0.99 && size < 1 ? 7 : 4); // or 1 − h would have no digits left
    const alone = at ? /[(,] ?$/.test(text.slice(0, at)) && end === ")" : !/[²(]/.test(end);
    return /^−|e/.test(shown) && !alone ? `(${shown})` : shown;
  });
}

/** "z1 = w11 · x1 + … = 0.6 · 0.5 + … = 0.43"; a value "?" stands for one that is asked for. */
function line(s, c, left, text, value) {
  const all = [left, text, withNumbers(s, c, text), num(value)];
  return all.filter((part, i) => part !== all[i - 1]).join(" = ");
}

/** One product per way from the loss, in symbols and in numbers: [{ symbols, numbers, value }]. */
const chains = (s, c, name) => paths(s, name).map((path) => {
  const edges = path.slice(1).map((next, i) => [path[i], next]).reverse(), factors = edges.map((edge) => slope(s, c.v, ...edge));
  return { symbols: edges.map(([from, to]) => partial(from, to)).join(" · "),
    numbers: factors.map((value, i) => (i ? signed : num)(value)).join(" · "), value: factors.reduce((a, b) => a * b, 1) };
});

/** What is worth saying about a gradient, in words, or "". */
function remark(s, c, name) {
  const [kind, j, i] = name, { v, g } = c, z = `z${j}`, { activation } = s;
  if (kind === "x") {
    const [a, b] = chains(s, c, name).map(({ value }) => value);
    return a && Math.abs(a + b) <= 1e-9 * Math.abs(a) ? `Two paths meet in ${name} and cancel: ${num(a)} from one, ${num(b)} from the other.` : `Two paths meet in ${name}: their products are added.`;
  }
  if (name === "z3" && s.loss === BCE) return "Sigmoid and loss are one edge, as in torch: ŷ(1 − ŷ) cancels in ∂L/∂ŷ · ∂ŷ/∂z3.";
  if (kind === "y" && !isFinite(g.y_hat)) return "ŷ is rounded to 0 or 1: its gradient is too large for a float, that of z3 is not.";
  if (kind === "w" && j > 2 && !v[`h${i}`]) return `h${i} = 0, so ${name} has no effect on L now.`;
  if (!"zwb".includes(kind) || j > 2) return "";
  const flat = ACTS[activation].slope(v[`h${j}`], v[z]);
  if (activation === "relu") return flat ? "" : `Unit ${j} is off: ${z} = ${num(v[z])} is not above 0, so ReLU′(${z}) = 0, and so is every product with it. w${j}1, w${j}2 and b${j} learn nothing from this example. A unit that is off for all examples is dead.`;
  return flat < 0.01 ? `Unit ${j} is saturated: at ${z} = ${num(v[z])} the slope of ${activation} is only ${num(flat)}, a factor of all gradients behind it.` : "";
}

// ---- presets and the program ---------------------------------------------------------------------------------------

const preset = (activation, lr, target, ...numbers) => ({ activation, lr, target, loss: MSE, ...table(GIVEN, (_, i) => numbers[i]) });
const PRESETS = {
  example: preset("sigmoid", 0.5, 1, 0.5, 1, 0.6, -0.4, 0.3, -0.3, 0.8, 0, 0.7, -0.5, 0.2),
  "dead ReLU": preset("relu", 0.1, 1, 1, 2, -0.5, -0.4, 0.1, 0.3, 0.2, 0, 0.6, 0.5, 0),
  "saturated sigmoid": preset("sigmoid", 0.1, 1, 1, 2, 4, 3, -1, 0.3, -0.2, 0.1, 0.5, 0.4, 0),
  "paths cancel": preset("identity", 0.05, 1, 2, 1, 1, -0.5, 0, 0.5, 0.25, 0, 0.5, -1, 0),
};
const presetOf = (s) => Object.keys(PRESETS).find((key) => Object.entries(PRESETS[key]).every(([name, value]) => s[name] === value)) ?? "";

/** The PyTorch program that computes what is on the screen, with the same names. */
function code(s) {
  const act = s.activation === "identity" ? "" : `torch.${s.activation}`, bce = s.loss === BCE;
  return `import torch
import torch.nn.functional as F

names = "${GIVEN.join(" ")}".split()
values = [${GIVEN.map((name) => s[name]).join(", ")}]
given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
${GIVEN.join(", ")} = given
y = torch.tensor(${s.target}, dtype=torch.float64)  # the target
optimizer = torch.optim.SGD(given[2:], lr=${s.lr})

for iteration in range(${s.iteration + 2}):
    z1 = w11 * x1 + w12 * x2 + b1
    z2 = w21 * x1 + w22 * x2 + b2
    h1, h2 = ${act}(z1), ${act}(z2)
    z3 = w31 * h1 + w32 * h2 + b3
    y_hat = ${bce ? "torch.sigmoid(z3)" : "z3"}
    L = ${bce ? "F.binary_cross_entropy_with_logits(z3, y)" : "F.mse_loss(y_hat, y)"}
    print(f"iteration {iteration}: L = {L.item():.6g}")
    if iteration > ${s.iteration}:
        break
    nodes = dict(z1=z1, z2=z2, h1=h1, h2=h2, z3=z3)
    for node in nodes.values():
        node.retain_grad()
    for number in given:
        number.grad = None
    L.backward()
    if iteration == ${s.iteration}:
        for name, one in {**dict(zip(names, given)), **nodes}.items():
            print(f"{name} = {one.item():.6g}, gradient {one.grad.item():.6g}")
    optimizer.step()
`;
}
