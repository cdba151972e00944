// What a layer makes of an image's shape: layer_sizes.py once more, for the page. Pure functions of plain data.

// ---- sizes, costs and what breaks ----------------------------------------------------------------------

/** Output size along one axis; less than 1: no window fits. ceil_mode starts no window in the end's padding. */
function outputSize(n, [K, S, before, after, D, ceil]) {
  const room = n + before + after - D * (K - 1) - 1;
  if (!ceil) return Math.floor(room / S) + 1;
  const count = Math.ceil(room / S) + 1;
  return (count - 1) * S >= n + before ? count - 1 : count;
}

/** [K, S, padding before, padding after, D, ceil_mode] of a layer along axis 0 (height) or 1 (width). */
function windowOf({ kernel_size, stride, padding, dilation = [1, 1], ceil_mode = false }, axis) {
  const [K, S, D] = [kernel_size[axis], stride[axis], dilation[axis]];
  const before = padding === "same" ? Math.floor((D * (K - 1)) / 2) : padding === "valid" ? 0 : padding[axis];
  return [K, S, before, padding === "same" ? D * (K - 1) - before : before, D, ceil_mode];
}

/** How many of n cells lie after the last window, where the floor drops them, and how many between windows. */
function unreadCells(n, sizes) {
  const read = new Set(), [K, S, before, , D] = sizes;
  for (let o = outputSize(n, sizes) - 1; o >= 0; o--)
    for (let k = 0, cell; k < K; k++) if ((cell = o * S - before + D * k) >= 0 && cell < n) read.add(cell);
  const end = n - 1 - Math.max(-1, ...read);
  return [end, n - read.size - end];
}

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
const count = (n) => n.toLocaleString("en-US");
const total = (rows, key) => rows.reduce((sum, row) => sum + row[key], 0);
const times = (numbers) => numbers.map(count).join(" × ");

/** A setting as Python writes it; a pair of equals is one number. */
function pythonText(value) {
  if (Array.isArray(value)) return value[0] === value[1] ? String(value[0]) : `(${value.join(", ")})`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? `"${value}"` : String(value);
}

function tooSmall(layer) {
  for (const key of ["kernel_size", "stride", "padding", "dilation", "groups"]) {
    const value = layer[key] ?? 1, low = key === "padding" ? 0 : 1, up = (v) => Math.max(v, low);
    if (typeof value === "string" || [value].flat().every((v) => v >= low)) continue;
    const fix = { [key]: Array.isArray(value) ? value.map(up) : up(value) };
    return [`${key} must be at least ${low}; it is ${pythonText(value)}.`, fix];
  }
  return null;
}

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

function channelProblem({ in_channels, out_channels: F, groups, padding, stride, kernel_size, dilation }, C) {
  if (in_channels !== null && in_channels !== C)
    return [`in_channels is ${in_channels}, but ${C} channels come in.`, { in_channels: C }];
  if (C % groups) {
    const common = gcd(C, F);
    let near = 1;
    for (let g = 2; g <= common; g++) if (common % g === 0 && Math.abs(g - groups) < Math.abs(near - groups)) near = g;
    return [`groups=${groups} does not divide the ${C} channels that come in.`, { groups: near }];
  }
  if (F % groups) {
    const fix = { out_channels: Math.max(1, Math.floor((F + Math.floor(groups / 2)) / groups)) * groups };
    return [`groups=${groups} does not divide out_channels=${F}.`, fix];
  }
  if (padding !== "same" || (stride[0] === 1 && stride[1] === 1)) return null;
  const half = kernel_size.map((K, axis) => Math.floor((dilation[axis] * (K - 1) + 1) / 2));
  return [`padding="same" needs stride 1; the stride is ${pythonText(stride)}.`, { padding: half }];
}

function poolPadding({ kernel_size: K, padding: P }) {
  const half = P.map((p, axis) => Math.min(p, Math.floor(K[axis] / 2)));
  if (half.every((p, axis) => p === P[axis])) return null;
  return [`padding ${pythonText(P)} is more than half of kernel_size ${pythonText(K)}.`, { padding: half }];
}

/** The kernel must fit into the padded input; the fix is the largest kernel that does. */
function tooLarge(layer, shape) {
  const fix = {};
  let reason = null;
  ["rows", "columns"].forEach((cells, axis) => {
    const n = shape[axis + 1], sizes = windowOf(layer, axis), [K, S, before, , D, ceil] = sizes;
    if (outputSize(n, sizes) >= 1) return;
    const there = before ? `${n + 2 * before} with the padding` : n;
    reason ??= `the kernel spans ${D * (K - 1) + 1} ${cells}; there are ${there}.`;
    const room = (k) => (layer.type === "Conv2d" ? before : Math.min(before, Math.floor(k / 2)));
    let k = K;
    while (outputSize(n, [k, S, room(k), room(k), D, ceil]) < 1) k--;
    (fix.kernel_size ??= [...layer.kernel_size])[axis] = k;
    if (room(k) !== before) (fix.padding ??= [...layer.padding])[axis] = room(k);
  });
  return reason && [reason, fix];
}

/** What stops layer `index` on an input of `shape`: { index, reason, fix } or null. */
function findProblem(layers, index, shape) {
  const layer = layers[index], inputs = shape.at(-1);
  let found = null;
  if (layer.type === "Linear" && ![null, inputs].includes(layer.in_features)) {
    found = [`in_features is ${layer.in_features}, but ${inputs} numbers come in.`, { in_features: inputs }];
  } else if (layer.kernel_size && shape.length === 1) {
    const flatten = layers.findLastIndex((one, i) => i < index && one.type === "Flatten");
    found = [`it reads images, but layer ${flatten + 1} (Flatten) made a vector.`, { move_to: flatten }];
  } else if (layer.kernel_size) {
    found = tooSmall(layer) ?? (layer.type === "Conv2d" ? channelProblem(layer, shape[0]) : poolPadding(layer));
    found ??= tooLarge(layer, shape);
  }
  return found && { index, reason: found[0], fix: found[1] };
}

/** An axis is { size, field, jump, start }: `size` outputs that see `field` input cells each, `jump` apart. */
const axisThrough = (axis, sizes, [K, S, before, , D] = sizes) => ({
  size: outputSize(axis.size, sizes),
  field: axis.field + (K - 1) * D * axis.jump,
  jump: axis.jump * S,
  start: axis.start - before * axis.jump,
});

/** Behind a linear layer each number sees all that any of its inputs saw. */
function axisJoined({ size, field, jump, start }, outputs, inputSize) {
  const first = Math.max(0, start), end = Math.min(inputSize, start + (size - 1) * jump + field);
  return { size: outputs, field: end - first, jump: 0, start: first };
}

/** [parameters, multiply-adds]; a bias is only added, so it is a parameter and no multiply-add. */
function costs({ type, groups, kernel_size, bias }, shape, out) {
  const inputs = type === "Linear" ? shape.at(-1) : (shape[0] / groups) * product(kernel_size ?? []);
  if (type === "Conv2d") return [out[0] * (inputs + bias), product(out) * inputs];
  return type === "Linear" ? [out.at(-1) * (inputs + bias), product(out) * inputs] : [0, 0];
}

/** Sends an image (C, H, W) through the layers: { rows, problem }, one row per layer that runs. */
function trace(input, layers) {
  const rows = [];
  let shape = input, axes = [1, 2].map((i) => ({ size: input[i], field: 1, jump: 1, start: 0 }));
  for (const [index, layer] of layers.entries()) {
    const problem = findProblem(layers, index, shape);
    if (problem) return { rows, problem };
    let out = shape, unread = [[0, 0], [0, 0]];
    if (layer.kernel_size) {
      unread = axes.map((axis, i) => unreadCells(axis.size, windowOf(layer, i)));
      axes = axes.map((axis, i) => axisThrough(axis, windowOf(layer, i)));
      out = [layer.out_channels ?? shape[0], axes[0].size, axes[1].size];
    } else if (layer.type === "Flatten") out = [product(shape)];
    else if (layer.type === "Linear") {
      out = [...shape.slice(0, -1), layer.out_features];
      axes = [out.length === 1 ? axisJoined(axes[0], 1, input[1]) : axes[0], axisJoined(axes[1], out.at(-1), input[2])];
    }
    const [parameters, multiply_adds] = costs(layer, shape, out);
    const [receptive_field, jump] = ["field", "jump"].map((name) => axes.map((axis) => axis[name]));
    rows.push({ shape: out, parameters, multiply_adds, receptive_field, jump, unread });
    shape = out;
  }
  return { rows, problem: null };
}

// ---- code and words ------------------------------------------------------------------------------------

const TORCH_DEFAULTS = { stride: "1", padding: "0", dilation: "1", groups: "1", bias: "True", ceil_mode: "False" };

/** The call that makes a layer in torch for an input of `shape`, defaults left out. */
function layerCode(layer, shape) {
  const { type, in_channels, out_channels, in_features, out_features, kernel_size, ...named } = layer;
  const first = type === "Conv2d" ? [in_channels ?? shape[0], out_channels]
    : type === "Linear" ? [in_features ?? shape.at(-1), out_features] : kernel_size ? [pythonText(kernel_size)] : [];
  const pool = kernel_size && type !== "Conv2d";
  const changed = Object.entries(type === "Conv2d" ? { kernel_size, ...named } : named)
    .map(([key, value]) => [key, pythonText(value)])
    .filter(([key, text]) => text !== (pool && key === "stride" ? first[0] : TORCH_DEFAULTS[key]));
  return `nn.${type}(${[...first, ...changed.map((pair) => pair.join("="))].join(", ")})`;
}

/** PyTorch code of the network, up to the layer that breaks. */
function networkCode(input, layers) {
  const { rows, problem } = trace(input, layers);
  const shapes = [input, ...rows.map((row) => row.shape)];
  const tuple = (shape) => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);
  const body = rows.map(({ shape }, i) => `    ${layerCode(layers[i], shapes[i])},  # ${tuple(shape)}`);
  if (problem) body.push(`    ${layerCode(layers[problem.index], shapes.at(-1))},  # breaks: ${problem.reason}`);
  const lines = ["model = nn.Sequential(", ...body, ")", `print(model(torch.zeros(1, ${input.join(", ")})).shape)`];
  // Weights of 400 MB or more are not allocated only to see their shapes.
  if (total(rows, "parameters") >= 1e8) lines.splice(0, Infinity, 'with torch.device("meta"):  # shapes only', ...lines.map((line) => `    ${line}`));
  return ["import torch", "from torch import nn", "", ...lines, ""].join("\n");
}

function fixText(fix) {
  if ("move_to" in fix) return `Move it before layer ${fix.move_to + 1}.`;
  const settings = Object.entries(fix).map(([key, value]) => `${key}=${pythonText(value)}`);
  return `Use ${settings.join(" and ")}.`;
}

const reasonText = (layers, { index, reason }) => `Layer ${index + 1} (${layers[index].type}) breaks: ${reason}`;
const problemText = (layers, problem) => `${reasonText(layers, problem)} ${fixText(problem.fix)}`;

function moveLayer(layers, from, to) {
  const moved = [...layers];
  moved.splice(to, 0, ...moved.splice(from, 1));
  return moved;
}

const applyFix = (layers, { index, fix }) => "move_to" in fix ? moveLayer(layers, index, fix.move_to)
  : layers.with(index, { ...layers[index], ...fix });

/** Which rows and columns no window reads, in words; empty when all are read. */
function unreadText(unread) {
  const some = (n, name) => n > 0 && `${n} ${name}${n > 1 ? "s" : ""}`;
  const words = (part) => [some(unread[0][part], "row"), some(unread[1][part], "column")].filter(Boolean).join(" and ");
  return [words(0) && `${words(0)} at the end`, words(1) && `${words(1)} between windows`].filter(Boolean).join(", ");
}
