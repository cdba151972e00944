// ConvExplorer: a convolution cell by cell, forward and backward, every number real. The maths is in conv_math.js.

const TRAITS = [...Object.keys(SIZES), "input", "kernel", "upstream", "bias", "flip", "view", "predict", "selected"];
const PANELS = { X: ["input", "input"], W: ["weights", "kernel"], Y: ["output"], dX: ["gradient"], dW: ["gradient"], dY: ["upstream", "upstream"] };
const PRESETS = { input: INPUTS, kernel: KERNELS };

function shown(model) {
  const s = shownBasics(model);
  s.kernel = fit(s.kernel, s.kernel_size, () => 0);
  return s;
}

// ---- words and formulas --------------------------------------------------------------------------------

const sizeFormulas = (s, hide) => sizeLines(s, (letter, a) => [
  formula("⌊", frac(`${letter} + 2P − D(K − 1) − 1`, "S"), "⌋ + 1"),
  formula("= ⌊", frac(`${a.n} + 2 · ${a.p} − ${a.d} · (${a.k} − 1) − 1`, `${a.S}`), "⌋ + 1"),
  formula(`= ${hide ? "?" : outSize(a) || "impossible"}`)]);

/** What the cell in focus does, in words. */
function sentence({ s, focus: { kind, at }, linked }) {
  const padding = linked.filter(({ x: [r, c] }) => s.input[r]?.[c] === undefined).length;
  const outside = padding ? `, ${padding} of them padding` : "";
  if (kind === "y") return `${name("Y", at)} reads ${plural(linked.length, "cell")} of X${outside}.`;
  const uses = linked.map(({ x, y }) => `${name("X", x)} → ${name("Y", y)}`);
  if (kind === "w") return `${name("W", at)} is used ${plural(linked.length, "time")}: ${list(uses)}.`;
  return `${readBy(at, linked.map(({ y }) => y))}.`;
}

/** The sum behind the cell in focus: the output; backward also the gradient of an input or a weight. */
function sumOf(now) {
  const { s, focus: { kind, at }, linked } = now;
  if (kind !== "y" && s.view !== "backward") return null;
  const [letter, a, b] = { y: ["Y", "X", "W"], x: ["dX", "dY", "W"], w: ["dW", "dY", "X"] }[kind];
  const terms = linked.map((link) => [a, b].map((one) => factor(valueAt(now, one, link[kindOf(one)]))).join(" · "));
  const plus = kind === "y" && s.bias ? ` + ${factor(s.bias)}` : "";
  const rest = terms.length > 49 ? [`+ ${terms.length - 49} more`] : [];
  const result = isHidden(now, letter, at) ? "?" : fmt(valueAt(now, letter, at));
  const parts = [formula(`${name(letter, at)} = Σ ${a} · ${b}${plus && " + b"} =`),
    ...terms.slice(0, 49).map((term, i) => formula(i ? `+ ${term}` : term)), ...rest, formula(`${plus} = ${result}`)];
  return { text: `${name(letter, at)} = ${result}.`, parts };
}

// ---- drawing -------------------------------------------------------------------------------------------

const isHidden = ({ s, hideSize, hideValue }, letter, at) => (hideSize && kindOf(letter) === "y") || (hideValue && letter === "Y" && same(at, s.selected));

/** All that one drawing needs: the numbers, the cell in focus, and the cells that are linked to it. */
function scene(s, { point, pin, counts }) {
  const pinned = pin ?? { kind: "y", at: s.selected }, focus = point ?? pinned, valid = !s.problems.length;
  const { dx: dX, dw: dW } = gradients(s, s.input, s.kernel, s.upstream);
  const linked = valid ? links(s, focus.kind, focus.at) : [];
  const [x, w, y] = ["x", "w", "y"].map((kind) => new Map(linked.map((link) => [String(link[kind]), link])));
  const values = { X: s.input, W: s.kernel, Y: convolve(s, s.input, s.kernel, s.bias), dX, dW, dY: s.upstream };
  return { s, valid, focus, pinned, linked, marks: { x, w, y }, values, uses: usage(s), counts };
}

/** How one cell looks and what it says; `most` is the largest magnitude of its panel. */
function cellOf(now, { letter, kind, trait }, at, most) {
  const { focus, uses, open } = now, given = now.values[letter][at[0]]?.[at[1]], value = given ?? 0, pad = given === undefined;
  const is = (one) => one.kind === kind && String(one.at) === String(at), link = now.marks[kind].get(String(at));
  const hidden = isHidden(now, letter, at), used = kind === "x" && !pad && open ? uses[at[0]][at[1]] : 1;
  const counted = now.counts && letter === "X" && !pad && open;
  const marks = { on: link, focus: is(focus), unread: !used, negative: value < 0 && !hidden, pad };
  const more = pad ? ", padding" : counted || !used ? `, read ${plural(used, "time")}` : "";
  return {
    pinned: is(now.pinned),
    text: hidden ? "?" : counted ? `${used}×` : fmtCell(value),
    label: `${name(letter, at)} = ${hidden ? "?" : fmt(value) + more}`,
    shade: hidden ? 0 : counted ? used / Math.max(1, ...uses.flat()) : Math.abs(value) / most,
    value: trait && given,
    note: link && letter === "X" && focus.kind === "y" ? `×${fmtCell(valueAt(now, "W", link.w))}` : undefined,
    cls: Object.keys(marks).filter((key) => marks[key]).map((key) => `dlt-${key}`).join(" "),
  };
}

/** The fields, by trait; those of `input` and `kernel` are the two lists of presets. */
const makeFields = (model, set) => ({
  ...pairFields(set),
  input: presetField(model, set, "Input", "input"),
  kernel: presetField(model, set, "Weights", "kernel"),
  view: viewField(set),
  predict: selectField({ label: "Predict", options: [["off", "nothing"], ["size", "Y’s size"], ["value", "a value"]], onChange: (predict) => set({ predict }) }),
  flip: checkField({ label: "flip the kernel", onChange: (flip) => set({ flip }) }),
  bias: numberField({ label: "bias", min: -99, max: 99, whole: false, onChange: (bias) => set({ bias }) }),
});

/** Starts or ends a question; what it asks for stays hidden until it is answered. */
function askQuestion(box, now) {
  const { s } = now;
  box.node.hidden = s.predict === "off" || !now.valid;
  const cell = s.predict === "value" && name("Y", s.selected);
  if (box.node.hidden) box.reset();
  else box.ask({
    key: JSON.stringify([sizesOf(s), cell && [cell, s.input, s.kernel, s.bias, s.flip]]),
    question: cell ? `What is ${cell}?` : "How large is Y?",
    names: cell ? ["value"] : AXES,
    answer: cell ? [valueAt(now, "Y", s.selected)] : s.out,
  });
  now.hideValue = box.hidden() && cell;
  now.hideSize = box.hidden() && !cell;
  now.open = now.valid && !now.hideSize;
}

/** Everything on the page that stays while the numbers change. */
function buildPage(model, state, set, draw) {
  const page = { ...pageParts(model, state, set, draw), fields: makeFields(model, set) };
  const { input, kernel, predict, view, flip, bias, ...pairs } = page.fields;
  const map = checkField({ label: "how often X is read", onChange: (counts) => draw({ counts }) });
  page.node = el("div.dlt-widget.dlt-card.dlt-explorer", { role: "group", ariaLabel: "Convolution explorer" },
    bar(input, kernel, predict), pairsBar(pairs),
    bar(bias, flip, map, view), page.trouble, page.box.node, page.stage, page.steps.node, page.reading, page.sizes, page.note,
    page.end, page.tables.node, page.live.node);
  return page;
}

function drawPage(page, state) {
  const { s } = state, now = scene(s, state);
  askQuestion(page.box, now);
  const { open } = now, [x, k, y] = [s.input_size[1] + 2 * s.padding[1], s.kernel_size[1], s.out[1]].map((cols) => Math.max(4, cols));
  page.stage.style = `--all: ${x + k + y}; --wide: ${Math.max(x, k + y + 1)}`;
  page.stage.classList.toggle("dlt-roomy", x + k + y < 18);
  page.sizes.replaceChildren(...sizeFormulas(s, now.hideSize));
  paintParts(page, now, open ? sentence(now) : "", open && sumOf(now));
}

const math = { numberProblem, outputSize, problems, links, convolve, gradients, usage, unread, code, resize, INPUTS, KERNELS };
export default { initialize, render, math };
