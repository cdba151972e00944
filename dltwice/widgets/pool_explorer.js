// PoolExplorer: max and average pooling cell by cell, forward and backward. The maths is in pool_math.js.

const TRAITS = [...Object.keys(SIZES), "input", "upstream", "kind", "ceil_mode", "count_include_pad", "pixel", "bright", "view", "predict", "selected"];
const PANELS = { X: ["input", "input"], Y: ["output"], dX: ["gradient"], dY: ["upstream", "upstream"] };
const PRESETS = { input: POOL_INPUTS };
const SIGNS = { left: "←", right: "→", up: "↑", down: "↓" };

function shown(model) {
  const s = settle(shownBasics(model));
  s.over = s.out.map((out, axis) => out && overAlong(along(s, axis), out));
  s.base = s.input;
  s.pixel = s.pixel && s.pixel.map((i, axis) => Math.min(i, s.input_size[axis] - 1));
  s.input = withPixel(s);
  return s;
}

// ---- words and formulas --------------------------------------------------------------------------------

const say = (value) => (value === -Infinity ? "−∞" : fmt(value));

const sizeFormulas = (s, hide) => sizeLines(s, (letter, a) => {
  const { out, cut } = sizeAlong(a, s.ceil_mode), [open, close] = s.ceil_mode ? "⌈⌉" : "⌊⌋", max = s.kind === "max";
  const letters = max ? `${letter} + 2P − D(K − 1) − 1` : `${letter} + 2P − K`;
  const numbers = `${a.n} + 2 · ${a.p} − ` + (max ? `${a.d} · (${a.k} − 1) − 1` : a.k);
  const result = hide ? "?" : 2 * a.p > a.k || !out ? "impossible" : out;
  return [formula(open, frac(letters, "S"), `${close} + 1`), formula(`= ${open}`, frac(numbers, `${a.S}`), `${close} + 1${cut ? " − 1" : ""}`), formula(`= ${result}`)];
});

/** What ceil_mode does here that the floor would not. */
function ceilNote(s) {
  const texts = AXES.map((text, axis) => {
    const over = s.over[axis], { cut } = sizeAlong(along(s, axis), s.ceil_mode);
    if (cut) return "one window fewer, since it would start behind the last cell of X and PyTorch drops it";
    return over ? `ceil_mode adds a window, which reaches ${plural(over, "cell")} beyond the padded input: what lies there does not count` : "";
  });
  const both = texts[0] === texts[1] ? [`height and the ${AXES[1]}`] : AXES;
  return both.map((text, i) => (texts[i] ? `Along the ${text}, ${texts[i]}.` : "")).join(" ").trim();
}

/** What the window of an output reads and what becomes of it. */
function windowWords({ s, secret }, at, { taps, inside, n, winner, ties, value }) {
  const max = s.kind === "max", [pad, out] = ["pad", "out"].map((where) => taps.filter((tap) => tap.where === where).length);
  const rule = max ? "−∞, which never wins" : "0, " + (s.count_include_pad ? "counted in n" : "not counted in n");
  const gets = s.view === "backward" ? (what) => `, and gets ${what} of ${name("dY", at)}.` : () => ".";
  const reads = `${name("Y", at)} reads ${plural(inside.length, "cell")} of X` + (pad ? ` and ${pad} of padding (${rule})` : "") + (out ? `; ${out} more lie outside and do not count. ` : ". ");
  if (secret) return reads;
  if (winner === null) return reads + "No cell wins: Y is −∞, and its gradient goes nowhere.";
  if (!max) return reads + `Each has a share of 1/${n}` + gets(`1/${n}`);
  const first = name("X", winner.at), all = list(ties.map((tap) => name("X", tap.at)));
  return reads + (ties[1] ? `${fmt(value)} is there ${ties.length} times (${all}): the first in row-major order, ${first}, wins` : `The largest, ${fmt(value)}, is ${first}`) + gets("all");
}

function sentence(now) {
  const { s, focus: { kind, at }, readers, all, secret } = now;
  if (kind === "y") return windowWords(now, at, all[at[0]][at[1]]);
  if (placeOf(s, at) !== "in") return `${name("X", at)} is ${placeOf(s, at) === "pad" ? "padding" : "outside, and does not count"}.`;
  const won = readers.filter(({ share }) => share);
  if (secret || !readers.length) return `${readBy(at, readers.map(({ y }) => y))}.`;
  const how = s.kind === "average" ? "" : won.length ? `; it wins ${list(won.map(({ y }) => name("Y", y)))}` : "; it wins none of them";
  return `${readBy(at, readers.map(({ y }) => y))}${how}.`;
}

/** The numbers behind the cell in focus: the output; backward also the gradient of an input. */
function sumOf(now) {
  const { s, focus: { kind, at }, all, readers } = now, max = s.kind === "max", letter = kind === "y" ? "Y" : "dX";
  if (kind === "x" && (s.view !== "backward" || placeOf(s, at) !== "in")) return null;
  const result = isHidden(now, letter, at) ? "?" : say(valueAt(now, letter, at)), first = `${name(letter, at)} =`;
  const join = (terms, sign) => [...terms.slice(0, 49).map((term, i) => formula(sign === "," ? term + (i < terms.length - 1 ? "," : "") : (i ? "+ " : "") + term)),
    ...(terms.length > 49 ? [`${sign} ${terms.length - 49} more`] : [])];
  let parts;
  if (kind === "y") {
    const { taps, inside, n } = all[at[0]][at[1]], sum = inside.reduce((total, { value }) => total + value, 0);
    parts = max ? [formula(`${first} max(`), ...join(taps.filter(({ where }) => where !== "out").map(({ value }) => say(value)), ","), formula(`) = ${result}`)]
      : [formula(first, frac("Σ X", "n"), "= ("), ...join(inside.map(({ value }) => factor(value)), "+"), formula(`) / ${n} =`, frac(result === "?" ? "?" : fmt(sum), `${n}`), `= ${result}`)];
  } else {
    const terms = readers.filter(({ share }) => share).map(({ y, n }) => factor(valueAt(now, "dY", y)) + (max ? "" : ` · 1/${n}`));
    parts = [formula(`${first} Σ dY${max ? "" : " · 1/n"} =`), ...(result === "?" ? [] : join(terms, "+")), formula(terms.length && result !== "?" ? `= ${result}` : result)];
  }
  return { text: `${first} ${result}.`, parts };
}

// ---- drawing -------------------------------------------------------------------------------------------

const isHidden = ({ s, hideSize, hideValue, hideRoute }, letter, at) => (hideSize && kindOf(letter) === "y") || (hideValue && letter === "Y" && same(at, s.selected))
  || ((hideRoute || hideValue) && letter === "dX");

/** Where a cell is: "in" X, in its padding, or out, where ceil_mode's window reaches over. */
const placeOf = (s, at) => (s.input[at[0]]?.[at[1]] !== undefined ? "in" : at.some((i, axis) => i >= s.input_size[axis] + s.padding[axis]) ? "out" : "pad");

/** All that one drawing needs: the numbers, the cell in focus, and the cells that are linked to it. */
function scene(s, { point, pin, moved }) {
  const pinned = pin ?? { kind: "y", at: s.selected }, focus = point ?? pinned, valid = !s.problems.length, all = valid ? windows(s, s.input) : [];
  const Y = all.map((row) => row.map(({ value }) => value)), key = String(focus.at), wins = new Map();
  for (const { winner } of all.flat()) if (winner) wins.set(String(winner.at), (wins.get(String(winner.at)) ?? 0) + 1);
  const shareOf = (one) => shares(one).find(([at]) => String(at) === key)?.[1] ?? 0;
  const readers = valid && focus.kind === "x" ? links(s, "x", focus.at).map(({ y }) => ({ y, n: all[y[0]][y[1]].n, share: shareOf(all[y[0]][y[1]]) })) : [];
  const one = focus.kind === "y" ? all[focus.at[0]]?.[focus.at[1]] : null;
  const x = one ? one.taps.map((tap) => [String(tap.at), tap]) : [[key, {}]], y = one ? [[key, {}]] : readers.map((reader) => [String(reader.y), reader]);
  const before = valid && moved && same(moved.after, s.input) ? changes(pool(s, moved.before), Y) : null;
  return { s, valid, focus, pinned, readers, all, one, wins, changed: before, marks: { x: new Map(x), y: new Map(y) },
    values: { X: s.input, Y, dX: inputGrad(s, all, s.upstream), dY: s.upstream }, uses: usage(s) };
}

/** The small print in a cell that is linked to the cell in focus. */
function noteOf({ s, one, secret }, letter, link) {
  if (secret || !link) return undefined;
  const max = s.kind === "max";
  if (one && kindOf(letter) === "x" && link.at) {
    const counts = link.where === "in" || (link.where === "pad" && letter === "X" && s.count_include_pad);
    if (!max) return counts ? `1/${one.n}` : undefined;
    if (link === one.winner) return letter === "X" ? "max" : "all";
    return one.ties?.includes(link) && letter === "X" ? "tie" : undefined;
  }
  return link.share ? (max ? "wins" : `1/${link.n}`) : undefined;
}

/** How one cell looks and what it says; `most` is the largest magnitude of its panel. */
function cellOf(now, { letter, kind, trait }, at, most) {
  const { s, focus, open, secret, wins, one } = now, key = String(at), link = now.marks[kind].get(key), given = now.values[letter][at[0]]?.[at[1]];
  const place = kind === "x" ? placeOf(s, at) : "in", hidden = isHidden(now, letter, at), is = (other) => other.kind === kind && String(other.at) === key;
  const value = given ?? (s.kind === "max" ? -Infinity : 0), inX = kind === "x" && place === "in";
  const won = !secret && open && inX ? wins.get(key) : 0, unread = inX && open && !now.uses[at[0]][at[1]], changed = letter === "Y" && now.changed?.[at[0]]?.[at[1]];
  const marks = { on: link, focus: is(focus), unread, negative: value < 0 && !hidden && place === "in", pad: place === "pad", out: place === "out",
    won, win: open && one?.winner && link === one.winner && !secret, changed };
  const more = { pad: ", padding", out: ", outside" }[place] ?? (won && letter === "X" ? `, wins ${plural(won, "output")}` : unread ? ", read 0 times" : changed ? ", changed" : "");
  return {
    pinned: is(now.pinned),
    text: place === "out" ? "" : hidden ? "?" : value === -Infinity ? "−∞" : fmtCell(value),
    label: `${name(letter, at)} = ${place === "out" ? "nothing" : hidden ? "?" : say(value)}${hidden ? "" : more}`,
    shade: hidden || place !== "in" || !Number.isFinite(value) ? 0 : Math.abs(value) / most,
    value: trait && given,
    note: open ? noteOf(now, letter, link) : undefined,
    cls: Object.keys(marks).filter((mark) => marks[mark]).map((mark) => `dlt-${mark}`).join(" "),
  };
}

/** Starts or ends a question; what it asks for stays hidden until it is answered. */
function askQuestion(box, now) {
  const { s, all } = now, { predict, selected } = s, at = name("Y", selected), size = predict === "size", route = predict === "gradient", max = s.kind === "max";
  const one = now.valid && all[selected[0]][selected[1]];
  box.node.hidden = predict === "off" || !now.valid || (!size && !one.inside.length);
  const routes = max ? { question: `Which cell of X gets the gradient of ${at}?`, names: ["row", "column"], answer: one?.winner?.at, sign: ", " }
    : { question: `How much of d${at} = ${fmt(valueAt(now, "dY", selected))} does each cell of its window get?`, names: ["value"], answer: [valueAt(now, "dY", selected) / one?.n] };
  const ask = size ? { question: "How large is Y?", names: AXES, answer: s.out } : route ? routes : { question: `What is ${at}?`, names: ["value"], answer: [one?.value] };
  if (box.node.hidden) box.reset();
  else box.ask({ ...ask, key: JSON.stringify([sizesOf(s), s.kind, s.ceil_mode, predict, size || [s.count_include_pad, selected, s.input, route && s.upstream]]) });
  const hidden = box.hidden();
  Object.assign(now, { hideSize: hidden && size, hideValue: hidden && predict === "value", hideRoute: hidden && route, secret: hidden && !size });
  now.open = now.valid && !now.hideSize;
}

const makeFields = (model, set) => {
  const check = (label, trait) => checkField({ label, onChange: (value) => set({ [trait]: value }) });
  const choice = (label, trait, options) => selectField({ label, options, onChange: (value) => set({ [trait]: value }) });
  const pixel = checkField({ label: "bright pixel", onChange: (on) => set({ pixel: on ? model.get("input_size").map((n) => (n - 1) >> 1) : null }) });
  return {
    ...pairFields(set),
    base: presetField(model, set, "Input", "input"),
    kind: choice("Pooling", "kind", [["max", "max"], ["average", "average"]]),
    predict: choice("Predict", "predict", [["off", "nothing"], ["size", "Y’s size"], ["value", "a value"], ["gradient", "where a gradient goes"]]),
    view: viewField(set),
    ceil_mode: check("ceil_mode", "ceil_mode"),
    count_include_pad: check("count_include_pad", "count_include_pad"),
    pixel: { node: pixel.node, set: (at) => pixel.set(Boolean(at)) },
    bright: numberField({ label: "brightness", min: -99, max: 99, whole: false, onChange: (bright) => set({ bright }) }),
  };
};

/** Everything on the page that stays while the numbers change. */
function buildPage(model, state, set, draw) {
  const page = { ...pageParts(model, state, set, draw), fields: makeFields(model, set), moves: el("p.dlt-moves") };
  const { base, kind, predict, view, ceil_mode, count_include_pad, pixel, bright, ...pairs } = page.fields;
  const move = (text, x, after, traits) => {
    draw({ moved: same(x, after) ? null : { before: x, after, text } });
    set(traits);
  };
  page.mark = pixelMark(page.panels[0], state, draw, (from, to) => {
    const picture = (at) => withPixel({ ...state.s, input: state.s.base, pixel: at });
    move(`The bright pixel moved from ${name("X", from)} to ${name("X", to)}`, picture(from), picture(to), { pixel: to });
  });
  page.shifts = shiftTable((word) => {
    const { s } = state, by = WHERE[word], at = s.pixel && s.pixel.map((i, axis) => i + by[axis]);
    const inside = at && at.every((i, axis) => i >= 0 && i < s.input_size[axis]);
    move(`X moved ${word} by one cell`, s.input, shifted(s.input, by), { input: shifted(s.base, by), pixel: inside ? at : null });
  });
  page.arrows = arrowLayer(page.stage, page.panels);
  page.node = el("div.dlt-widget.dlt-card.dlt-explorer.dlt-pool", { role: "group", ariaLabel: "Pooling explorer" },
    bar(kind, base, predict), pairsBar(pairs), bar(ceil_mode, count_include_pad, pixel, bright, view), page.trouble, page.box.node,
    page.stage, page.moves, page.steps.node, page.reading, page.sizes, page.note, page.shifts.node, page.end, page.tables.node, page.live.node);
  return page;
}

function drawPage(page, state) {
  const { s } = state, now = scene(s, state), max = s.kind === "max", { fields } = page;
  askQuestion(page.box, now);
  const { open } = now, x = s.input_size[1] + 2 * s.padding[1] + s.over[1], y = Math.max(3, s.out[1]);
  page.stage.style = `--panels: 2; --all: ${x + y}; --wide: ${Math.max(4, x)}`;
  page.stage.classList.toggle("dlt-roomy", x + y < 18);
  fields.dilation.node.hidden = !max;
  fields.count_include_pad.node.hidden = max;
  fields.bright.node.hidden = !s.pixel;
  page.sizes.replaceChildren(...sizeFormulas(s, now.hideSize));
  const text = open && now.changed && !now.hideValue && `${state.moved.text}: ${count(now.changed)} of ${plural(s.out[0] * s.out[1], "output")} changed.`;
  page.moves.textContent = text || "";
  page.shifts.node.hidden = !open;
  if (open) page.shifts.paint(s);
  paintParts(page, now, open ? sentence(now) : "", open && sumOf(now), page.moves.textContent && `${page.moves.textContent} `);
  page.note.textContent = open ? [page.note.textContent, ceilNote(s)].join(" ").trim() : "";
  page.mark.paint(s);
  page.arrows.paint(now);
}

const math = { outputSize, problems, windows, pool, inputGrad, shiftCounts, code, resize, POOL_INPUTS };
export default { initialize, render, math };
