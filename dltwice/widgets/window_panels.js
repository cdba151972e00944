// The page that ConvExplorer and PoolExplorer share: panels of numbers, words, what is above and below them. Each
// explorer has its TRAITS, PANELS (letter: [title, trait that may be edited]) and PRESETS, and its own shown(model),
// cellOf(now, panel, at, most), isHidden(now, letter, at), buildPage and drawPage.

const initial = new Map(); // by layout: each view has a model object of its own
const kindOf = (letter) => letter.at(-1).toLowerCase();
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
const sizesOf = (s) => Object.keys(SIZES).map((trait) => s[trait]);

/** The traits as they are shown: the input fits its size, the selected output exists, `out` is Y's size. */
function shownBasics(model) {
  const s = snapshot(model);
  s.problems = problems(s);
  s.out = s.problems.length ? [0, 0] : outputSize(s);
  s.input = fit(s.input, s.input_size, numbersAt);
  s.upstream = fit(s.upstream, s.out, upstreamAt);
  s.selected = s.selected.map((i, axis) => Math.max(0, Math.min(i, s.out[axis] - 1)));
  return s;
}

/** Sends traits to the model; a new size brings numbers that fit it. */
function change(model, traits) {
  for (const [trait, presets] of Object.entries(PRESETS)) {
    const size = traits[trait + "_size"];
    if (size) traits[trait] ??= resize(presets, model.get(trait), size);
  }
  for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
  model.save_changes();
}

// ---- words ---------------------------------------------------------------------------------------------

const name = (letter, [r, c]) => `${letter}[${r}, ${c}]`;
const factor = (value) => (value < 0 ? `(${fmt(value)})` : fmt(value));
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const list = (items) => (items.length > 12 ? `${items.slice(0, 12).join(", ")} and ${items.length - 12} more` : items.join(", "));
const readBy = (at, outputs) => `${name("X", at)} is read by ${plural(outputs.length, "output")}${outputs.length ? ": " : ""}${list(outputs.map((y) => name("Y", y)))}`;

/** The output-size formula along height and width, one line when they agree: `parts(letter, a)` of one line. */
const sizeLines = (s, parts) => {
  const axes = [0, 1].map((axis) => along(s, axis)), both = same(...axes);
  const left = both ? ["H_out = W_out ="] : ["H_out =", "W_out ="];
  return left.map((text, axis) => el("p.dlt-formula", {}, formula(text), ...parts("HW"[axis], axes[axis])));
};

/** Which rows and columns of X nobody reads, and why. */
function unreadNote(s) {
  const all = unread(s);
  if (all[0].length === s.input_size[0]) return "Never read: all of X. Every window lies in the padding.";
  const parts = all.flatMap((cells, axis) => {
    const { k, S, p, d } = along(s, axis), end = (s.out[axis] - 1) * S - p + reach(k, d);
    const kinds = [["skipped between the taps", cells.filter((i) => i < end)], ["left over by the floor", cells.filter((i) => i >= end)]];
    return kinds.flatMap(([why, some]) => (some.length ? [`${["row", "column"][axis]}${some[1] ? "s" : ""} ${list(some)} (${why})`] : []));
  });
  return parts.length ? `Never read: ${parts.join("; ")}.` : "";
}

// ---- panels and page -----------------------------------------------------------------------------------

const valueAt = (now, letter, [r, c]) => now.values[letter][r]?.[c] ?? 0;

/** Cells of margin before and after X along an axis: the padding, and what ceil_mode reaches over at the end. */
const marginOf = (s, axis) => [s.padding[axis], s.padding[axis] + (s.over?.[axis] ?? 0)];

/** What an edit changes: a number, or the brightness of the bright pixel, which covers `base`, the input below it. */
const edited = (s, trait, at, value) => (trait === "input" && same(s.pixel, at) ? { bright: value }
  : { [trait]: ((trait === "input" && s.base) || s[trait]).map((row, i) => row.map((old, j) => (same([i, j], at) ? value : old))) });

/** One grid of numbers; `place` says where a cell of the grid is in X, W or Y. */
function makePanel(letter, set, state, draw) {
  const [title, trait] = PANELS[letter], kind = kindOf(letter), label = `${letter}, ${title}`;
  let now;
  const margin = () => [0, 1].map((axis) => (letter === "X" ? marginOf(state.s, axis) : [0, 0]));
  const place = (cell) => cell && { kind, at: cell.map((i, axis) => i - margin()[axis][0]) };
  const grid = numberGrid({
    label,
    onPoint: (cell) => draw({ point: place(cell) }),
    onPin: (cell) => {
      if (cell && kind === "y") set({ selected: cell });
      draw({ pin: kind === "y" ? null : place(cell) });
    },
    onEdit: (r, c, value) => {
      set(edited(state.s, trait, place([r, c]).at, value));
    },
  });
  const size = el("span"), board = el("div.dlt-scroll", {}, grid.node);
  const node = el(`section.dlt-panel.dlt-${letter}`, {}, el("p", {}, el("b", {}, letter), ` ${title} `, size), board);
  const paint = (latest) => {
    now = latest;
    const { s, valid } = now, secret = kind === "y" && now.hideSize, [[top, bottom], [left, right]] = margin();
    const [h, w] = secret ? [1, 1] : { x: s.input_size, w: s.kernel_size, y: s.out }[kind];
    node.hidden = (letter[1] && s.view !== "backward") || (kind === "y" && !valid);
    if (node.hidden) return;
    const most = Math.max(1e-9, ...now.values[letter].flat().map(Math.abs).filter(Number.isFinite));
    size.textContent = secret ? "? × ?" : `${h} × ${w}`;
    grid.node.style = `--t: ${top}; --r: ${right}; --b: ${bottom}; --l: ${left}`;
    grid.paint(h + top + bottom, w + left + right, (r, c) => cellOf(now, { letter, kind, trait }, [r - top, c - left], most));
  };
  const words = () => ({ caption: label, rows: now.values[letter].map((row, r) => row.map((value, c) => (isHidden(now, letter, [r, c]) ? "?" : value === -Infinity ? "−∞" : value))) });
  const cellAt = ([r, c]) => grid.node.children[r + margin()[0][0]]?.children[c + margin()[1][0]];
  return { node, paint, table: words, board, cellAt };
}

const presetField = (model, set, label, trait) => {
  const presets = PRESETS[trait], options = [["", "edited"], ...Object.keys(presets).map((key) => [key, key])];
  const field = selectField({ label, options, onChange: (key) => key && set({ [trait]: presets[key](...model.get(trait + "_size")) }) });
  return { node: field.node, set: (rows) => field.set(presetOf(presets, rows)) };
};
const viewField = (set) => {
  const back = checkField({ label: "backward pass", onChange: (on) => set({ view: on ? "backward" : "forward" }) });
  return { node: back.node, set: (view) => back.set(view === "backward") };
};
const pairFields = (set) => Object.fromEntries(Object.entries(SIZES).map(([label, [min, max]]) =>
  [label, pairField({ label, min, max, onChange: (value) => set({ [label]: value }) })]));

const pairsBar = (pairs) => el("div.dlt-pairs", {}, ...Object.values(pairs).map(({ node }) => node));
const bar = (...fields) => el("div.dlt-bar", {}, ...fields.map(({ node }) => node));

/** What every explorer's page has, by name; the explorer puts it together. */
function pageParts(model, state, set, draw) {
  const page = {
    panels: Object.keys(PANELS).map((letter) => makePanel(letter, set, state, draw)),
    box: predictBox({ onReveal: () => draw(), tolerance: 0.005 }),
    live: announcer(),
    steps: stepper({ label: "Output position", onStep: (i) => {
      draw({ pin: null, point: null });
      set({ selected: [Math.floor(i / state.s.out[1]), i % state.s.out[1]] });
    } }),
    tables: tableAlternative("The numbers as tables", () => page.panels.flatMap(({ node, table }) => (node.hidden ? [] : [table()]))),
  };
  for (const part of ["trouble", "sizes", "note", "words", "sum"]) page[part] = el(`div.dlt-${part}`);
  const reset = () => {
    page.box.reset();
    draw({ pin: null });
    set({ ...initial.get(model.get("layout")) });
  };
  page.reading = el("div.dlt-reading", {}, page.words, page.sum);
  page.stage = el("div.dlt-stage", {}, ...page.panels.map(({ node }) => node));
  page.end = el("div.dlt-bar", {}, button("Reset", reset), copyButton("Copy PyTorch code", () => code(state.s)));
  return page;
}

/** Draws the parts of `pageParts`: `words` on the cell in focus, its `sum`, { text, parts } or null; `first` is said first. */
function paintParts(page, now, words, sum, first = "") {
  const { s, open } = now, { out, selected } = s;
  for (const panel of page.panels) panel.paint(now);
  page.words.textContent = words;
  page.sum.replaceChildren(...(sum ? sum.parts : []));
  page.note.textContent = open ? unreadNote(s) : "";
  page.steps.node.hidden = page.reading.hidden = !open;
  page.steps.set(selected[0] * out[1] + selected[1], out[0] * out[1]);
  page.tables.update();
  page.live.say(page.trouble.textContent || `${first}${words} ${sum ? sum.text : ""}`);
}

function render({ model, el: host }) {
  const state = { s: shown(model), point: null, pin: null };
  const set = (traits) => change(model, traits);
  const draw = (more) => drawPage(page, Object.assign(state, more));
  const page = buildPage(model, state, set, draw);
  const fix = ({ message, axis, name: trait, value, changes = { [trait]: value } }) => {
    const all = Object.entries(changes), put = ([one, to]) => [one, state.s[one].map((old, i) => (i === axis ? to : old))];
    const text = all.map(([one, to]) => `${one} ${AXES[axis]} to ${to}`).join(" and ");
    return el("p", {}, message, " ", button(`Set ${text}`, () => set(Object.fromEntries(all.map(put)))));
  };
  const update = () => {
    const s = shown(model);
    if (!same(sizesOf(s), sizesOf(state.s))) state.pin = state.point = null;
    for (const [trait, field] of Object.entries(page.fields)) field.set(s[trait]);
    page.trouble.replaceChildren(...s.problems.map(fix));
    draw({ s });
  };
  host.append(page.node);
  update();
  const end = watch(model, TRAITS, update);
  return () => {
    end();
    page.steps.stop();
  };
}

const initialize = ({ model }) => void initial.set(model.get("layout"), snapshot(model));
