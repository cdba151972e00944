// The maths of DigitReader: pure functions of plain data, tested against torch. A picture is 8 rows of 8 pixels; it is
// drawn on 32 × 32 fine cells, a flat array. What a layer gives is a flat array too, map by map and row by row.

const SIDE = 8, FINE = 32;
const make = (count, value) => Array.from({ length: count }, (_, i) => value(i));

/** The layers with their weights, which come as float32 in base64, and with the shape that each of them reads. */
function unpackLayers(layers, text) {
  const bytes = new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer);
  let at = 0;
  const take = (count) => make(count, () => bytes.getFloat32(4 * at++, true));
  return layers.map((layer, i) => ({ ...layer, from: layers[i - 1]?.shape ?? [1, SIDE, SIDE], weight: take(layer.weights), bias: take(layer.biases) }));
}

/** Which input cells output i reads, and by which weights: visit(j, k); j is −1 in the padding, k is −1 without weight. */
function eachRead({ kind, from: [C, H, W], shape: [F, h, w], kernel, stride, padding, dilation, groups }, i, visit) {
  if (kind === "Linear") for (let j = 0; j < W; j++) visit(j, i * W + j);
  if (!kernel) return kind !== "Linear" && visit(i, -1);
  const f = Math.floor(i / (h * w)), at = [Math.floor(i / w) % h, i % w], pool = kind === "MaxPool2d";
  const depth = pool ? 1 : C / groups, first = pool ? f : Math.floor((f * groups) / F) * depth;
  for (let d = 0, k = pool ? -1 : f * depth * kernel[0] * kernel[1]; d < depth; d++)
    for (let a = 0; a < kernel[0]; a++)
      for (let b = 0; b < kernel[1]; b++) {
        const r = at[0] * stride[0] - padding[0] + a * dilation[0], c = at[1] * stride[1] - padding[1] + b * dilation[1];
        visit(r >= 0 && r < H && c >= 0 && c < W ? ((first + d) * H + r) * W + c : -1, pool ? -1 : k++);
      }
}

/** The bias of output i. */
const biasOf = ({ kind, shape: [, h, w], bias }, i) => bias[kind === "Linear" ? i : Math.floor(i / (h * w))] ?? 0;

function runLayer(layer, x) {
  const { kind, shape: [F, h, w], weight } = layer;
  return make(F * h * w, (i) => {
    let most = -Infinity, sum = biasOf(layer, i);
    eachRead(layer, i, (j, k) => {
      if (j < 0) return;
      if (x[j] > most) most = x[j];
      if (k >= 0) sum += x[j] * weight[k];
    });
    return kind === "ReLU" ? Math.max(0, most) : weight.length ? sum : most;
  });
}

/** The input and what each layer gives. */
const forward = (layers, pixels) => layers.reduce((values, layer) => [...values, runLayer(layer, values.at(-1))], [pixels.flat()]);

function softmax(scores) {
  const most = Math.max(...scores), powers = scores.map((z) => Math.exp(z - most)), sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

const best = (values) => values.indexOf(Math.max(...values));

/** What output i of a layer adds up, or takes the largest of: [{ j, x, w, part }]; j is −1 for padding. */
function termsOf(layer, x, i) {
  const terms = [];
  eachRead(layer, i, (j, k) => {
    const value = x[j] ?? 0, w = layer.weight[k] ?? 1;
    terms.push({ j, x: value, w, part: value * w });
  });
  return terms;
}

// ---- the drawing ---------------------------------------------------------------------------------------

/** 8 × 8 pixels as 32 × 32 fine cells, and back as the data set was made: the mean of 4 × 4 cells, kept to 4 decimals. */
const toFine = (pixels) => make(FINE * FINE, (i) => pixels[i >> 7][(i % FINE) >> 2]);
const toPixels = (fine) => make(SIDE, (r) => make(SIDE, (c) => {
  let sum = 0;
  for (let i = 0; i < 16; i++) sum += fine[(4 * r + (i >> 2)) * FINE + 4 * c + (i & 3)];
  return Math.round((sum / 16) * 1e4) / 1e4;
}));

/** The fine cells after a stroke of a round pen from one point to another, [row, column]; ink is 1 or 0. */
function stroke(fine, [r0, c0], [r1, c1], ink, radius = 2) {
  const [dr, dc] = [r1 - r0, c1 - c0], length = dr * dr + dc * dc || 1;
  return fine.map((old, i) => {
    const r = Math.floor(i / FINE) + 0.5 - r0, c = (i % FINE) + 0.5 - c0, t = Math.max(0, Math.min(1, (r * dr + c * dc) / length));
    return Math.hypot(r - t * dr, c - t * dc) <= radius ? ink : old;
  });
}

/** The fine cells moved by whole pixels; what leaves is lost. */
const shift = (fine, rows, cols) => make(FINE * FINE, (i) => {
  const r = (i >> 5) - 4 * rows, c = (i % FINE) - 4 * cols;
  return r >= 0 && r < FINE && c >= 0 && c < FINE ? fine[r * FINE + c] : 0;
});

/** The fine cells turned about the center, clockwise: each takes the bilinear mean of the four around its source. */
function turn(fine, degrees) {
  const angle = (degrees * Math.PI) / 180, [cos, sin] = [Math.cos(angle), Math.sin(angle)], mid = (FINE - 1) / 2;
  const at = (r, c) => (r >= 0 && r < FINE && c >= 0 && c < FINE ? fine[r * FINE + c] : 0);
  return make(FINE * FINE, (i) => {
    const y = (i >> 5) - mid, x = (i % FINE) - mid, r = mid + cos * y - sin * x, c = mid + sin * y + cos * x;
    const [r0, c0] = [Math.floor(r), Math.floor(c)], [a, b] = [r - r0, c - c0];
    return (1 - a) * ((1 - b) * at(r0, c0) + b * at(r0, c0 + 1)) + a * ((1 - b) * at(r0 + 1, c0) + b * at(r0 + 1, c0 + 1));
  });
}

/** How much values changed: the length of the difference in parts of the length before; NaN where all were 0. */
const changeOf = (before, now) => Math.hypot(...now.map((v, i) => v - before[i])) / (Math.hypot(...before) || NaN);

// ---- the program ---------------------------------------------------------------------------------------

const decimals = (value) => value.toFixed(12).replace(/\.?0+$/, "");

/** The PyTorch program with the rows of the picture in their place. */
const code = (program, pixels) => program.replace("ROWS", pixels.map((row) => `    [${row.map(decimals).join(", ")}],`).join("\n"));
