// OverfitExplorer: stored training runs, epoch by epoch. The maths is in overfit_math.js.

const TRAITS = [...SETTINGS, "patience", "seed", "epoch", "metric", "predict", "kept"];
const initial = new Map(); // by layout: each view has a model object of its own
const snapshot = (model) => Object.fromEntries(TRAITS.map((trait) => [trait, model.get(trait)]));
const mean = (values) => values.reduce((a, b) => a + b) / values.length;
const listed = (values) => values.join(", ");
const three = (value) => value.toFixed(3).replace("-", "−");
const points = (share) => (100 * share).toFixed(1);

/** The traits as they are shown, with all that follows from them; `kept` has its own curves and results. */
function shown(model, runs) {
  const s = snapshot(model), last = runs[0].valid_loss.length - 1;
  const some = (one) => ({ s: one, curves: curvesOf(runs, one), results: resultsOf(runs, one) });
  const seeds = ofSetting(runs, s).map(({ seed }) => seed), problem = problemOf(runs, s);
  const kept = s.kept && ofSetting(runs, s.kept).length ? some({ ...s.kept, seed: null }) : null;
  const now = { ...s, epochs: last, epoch: Math.min(s.epoch, last), runs, seeds, problem, kept, ...(problem ? {} : some(s)), s };
  return problem ? now : { ...now, rule: ruleAt(now.curves.valid_loss, s.patience, now.epoch) };
}

// ---- words and formulas --------------------------------------------------------------------------------

const whose = (now) => (now.seed === null ? `mean of ${now.seeds.length} seeds` : `seed ${now.seed}`);
const spread = (shares) => `${points(mean(shares))} % (${points(Math.min(...shares))} to ${points(Math.max(...shares))})`;
const at = (now, name) => now.curves[name][now.epoch];
const unseen = (now, value) => (now.hide ? "?" : three(value));

/** What the epoch under the cursor is like, and what early stopping knows then. */
function sentences(now) {
  const { epoch, patience, hide, rule } = now;
  const first = `${epoch ? "After epoch " + epoch : "Before training"} (${whose(now)}): training loss ${three(at(now, "train_loss"))}, validation loss ${unseen(now, at(now, "valid_loss"))}.`;
  if (hide) return first;
  return first + (rule.ended ? ` Early stopping ended this run after epoch ${rule.stopped} and keeps the weights of epoch ${rule.best}.`
    : ` It was lowest ${rule.best ? "after epoch " + rule.best : "before training"}: ${rule.waited} of ${patience} epochs of patience are used up.`);
}

/** Each formula with its numbers: what it is, the formula in pieces that may go on a new line, what follows. */
function formulas(now) {
  const { hidden, dropout: p, patience, hide, rule } = now, [valid, train] = [at(now, "valid_loss"), at(now, "train_loss")];
  const line = (what, then, ...pieces) => el("p.dlt-formula", {}, el("b", {}, what), ...pieces.map((piece) => formula(...[piece].flat())), el("span", {}, then));
  return [
    line("gap", "", "L_valid − L_train", `= ${unseen(now, valid)} − ${three(train)}`, `= ${unseen(now, valid - train)}`),
    line("patience", hide ? "" : rule.ended ? "stop" : "go on", "e − e_best", ...(hide ? ["= ?"] : [`= ${rule.stopped} − ${rule.best} = ${rule.waited}`, `${rule.ended ? "≥" : "<"} P = ${patience}`])),
    line("dropout", p ? `on the units that stay, on average ${fmt((1 - p) * hidden)} of ${hidden}` : "no unit is turned off",
      ["scale =", frac("1", "1 − p")], ["=", frac("1", `1 − ${fmt(p)}`), `= ${fmt(1 / (1 - p))}`]),
    line("capacity", `parameters for ${TRAIN} examples`, "64 · h + h + 10 · h + 10", `= 75 · ${hidden} + 10`, `= ${parameterCount(hidden)}`),
  ];
}

// ---- drawing -------------------------------------------------------------------------------------------

/** The points of a curve up to an epoch; the others are there for the pointer, which may go to any epoch. */
const upTo = (values, epoch, scale) => values.map((value, e) => [e, e > epoch ? NaN : value * scale]);

/** What the chart of a metric shows: the single seeds thin, the curve looked at thick, the kept run's validation. */
function chartScene(now, metric) {
  const { curves, epoch, epochs, kept, hide, rule, runs, s } = now, scale = metric === "loss" ? 1 : 100;
  const parts = [["train", "training", "input", true], ["valid", "validation", "output", false]].slice(0, hide ? 1 : 2);
  const singles = ofSetting(runs, s).filter(({ seed }) => seed !== now.seed);
  const thin = parts.flatMap(([key, , role, dash]) => singles.map((run) =>
    ({ name: "", role, dash, thin: true, points: upTo(run[`${key}_${metric}`], epoch, scale / 1000) })));
  const thick = parts.map(([key, name, role, dash]) => ({ name, role, dash, width: 3, points: upTo(curves[`${key}_${metric}`], epoch, scale) }));
  const old = kept ? [{ name: "validation, kept run", role: "ink", width: 1.5, points: upTo(kept.curves[`valid_${metric}`], epoch, scale) }] : [];
  const tops = [...singles.flatMap((run) => parts.map(([key]) => Math.max(...run[`${key}_loss`]) / 1000)), ...old.length ? kept.curves.valid_loss : [], ...curves.train_loss, ...(hide ? [] : curves.valid_loss)];
  const notes = hide ? [] : [{ x: rule.best, text: `lowest loss: ${rule.best}` }, ...(rule.ended ? [{ x: rule.stopped, text: `stop: ${rule.stopped}` }] : [])];
  return { series: [...thin, ...old, ...thick], notes, cursor: epoch < epochs ? epoch : null, x: [0, epochs], y: [0, metric === "loss" ? 1.05 * Math.max(...tops) : 125] };
}

/** Test accuracies as dots on a line, one per seed, with a stroke at their mean. `rows` are [name, shares]. */
function strip(rows) {
  const all = rows.flatMap(([, shares]) => shares), low = Math.floor(Math.min(...all) * 10) / 10, high = Math.max(low + 0.1, Math.ceil(Math.max(...all) * 10) / 10);
  const x = (share) => 20 + (260 * (share - low)) / (high - low), y = (i) => 30 + 36 * i, end = y(rows.length) - 16;
  const label = (px, py, anchor, text) => svgEl("text", "", { x: px, y: py, "text-anchor": anchor }, text);
  const row = ([name, shares], i) => svgEl("g", "", {}, label(20, y(i) - 13, "start", `${name}: ${points(mean(shares))} %`), svgEl("path", "dlt-axis", { d: `M20 ${y(i)}h260` }),
    ...shares.map((share) => svgEl("circle", i % 2 ? "dlt-dot dlt-full" : "dlt-dot", { cx: x(share), cy: y(i), r: 4.5 })),
    svgEl("path", "dlt-mean", { d: `M${x(mean(shares))} ${y(i) - 9}v18` }));
  const ticks = niceTicks(low * 100, high * 100, 4).map((v) => label(x(v / 100), end + 8, "middle", `${fmt(v)} %`));
  const words = rows.map(([name, shares]) => `${name}: ${spread(shares)}`).join("; ");
  return svgEl("svg", "", { viewBox: `0 0 300 ${end + 14}`, role: "img", "aria-label": words }, ...rows.map(row), ...ticks);
}

/** The rows of the strip: after the last epoch, and where early stopping stops. */
const rowsOf = (title, { results }) => [["last epoch", "last"], ["early stopping", "kept"]].map(([name, key]) => [`${title}, ${name}`, results.map((one) => one[key])]);

/** Test accuracy in words: the mean over the seeds, and the spread. */
function resultWords(now) {
  const { results, kept, epochs } = now, [last, stopped] = rowsOf("", now).map(([, shares]) => shares);
  const change = kept && points(mean(stopped) - mean(rowsOf("", kept)[1][1]));
  return `Test accuracy, mean of ${results.length} seeds (lowest to highest): ${spread(last)} after epoch ${epochs}; ${spread(stopped)} with early stopping, each seed by its own curve (after epochs ${listed(results.map((one) => one.stopped))}).`
    + (kept ? ` That is ${change.replace("-", "")} points ${change < 0 ? "less" : "more"} than the kept run: ${wordsOf(kept.s)}.` : "");
}

function tablesOf(now) {
  if (now.problem) return [];
  const { curves, results, hide, epochs } = now, names = Object.keys(CURVES).slice(0, 4);
  const cell = (name, e) => (hide && name.startsWith("valid") ? "?" : curves[name][e]);
  const perSeed = results.map((one) => [one.seed, one.stopped, one.best, `${points(one.last)} %`, `${points(one.kept)} %`]);
  return [
    { caption: "Early stopping, seed by seed", rows: [["seed", "stops after", "keeps epoch", "test accuracy, last epoch", "test accuracy, kept epoch"], ...(hide ? [] : perSeed)] },
    { caption: `Curves, ${whose(now)}`, rows: [["epoch", "training loss", "validation loss", "training accuracy", "validation accuracy"],
      ...Array.from({ length: epochs + 1 }, (_, e) => [e, ...names.map((name) => cell(name, e))])] },
  ];
}

// ---- the page ------------------------------------------------------------------------------------------

/** Buttons for the values that runs were made with, one pressed; a value without a run stands among them. */
function choiceField({ label, text, onChange }) {
  const row = el("span.dlt-choices");
  let buttons = [], key = "";
  const set = (values, now) => {
    const all = [...new Set([...values, now])].sort((a, b) => a - b);
    if (key !== (key = listed(all))) {
      buttons = all.map((value) => button(text(value), () => onChange(value), { ariaLabel: `${label}: ${text(value)}` }));
      row.replaceChildren(...buttons);
    }
    buttons.forEach((one, i) => (one.ariaPressed = all[i] === now));
  };
  return { node: el("div.dlt-choice", { role: "group", ariaLabel: label }, el("span.dlt-name", {}, label), row), set };
}

/** A list to choose from whose options change. */
function seedField(set) {
  const select = el("select", { onchange: () => set({ seed: select.value === "" ? null : Number(select.value) }) });
  const paint = ({ seeds, seed }) => {
    const options = [["", "mean of all"], ...[...new Set([...seeds, ...(seed === null ? [] : [seed])])].map((one) => [one, `seed ${one}`])];
    select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
    select.value = seed ?? "";
  };
  return { node: el("label.dlt-field", {}, el("span.dlt-name", {}, "Curve"), select), paint };
}

function makeFields(set) {
  const metrics = [["loss", "loss"], ["accuracy", "accuracy"]];
  const questions = [["off", "nothing"], ["best", "the best epoch"], ["test", "the test accuracy"]];
  return {
    hidden: choiceField({ label: "Hidden units", text: String, onChange: (hidden) => set({ hidden }) }),
    noise: choiceField({ label: "Wrong labels", text: (v) => `${percent(v)} %`, onChange: (noise) => set({ noise }) }),
    dropout: choiceField({ label: "Dropout p", text: fmt, onChange: (dropout) => set({ dropout }) }),
    patience: numberField({ label: "Patience", min: 1, max: 1000, onChange: (patience) => set({ patience }) }),
    metric: selectField({ label: "Show", options: metrics, onChange: (metric) => set({ metric }) }),
    seed: seedField(set),
    predict: selectField({ label: "Predict", options: questions, onChange: (predict) => set({ predict }) }),
  };
}

/** Starts or ends the question; what it asks for stays hidden until it is answered. */
function askQuestion(boxes, now) {
  for (const [name, box] of Object.entries(boxes)) {
    box.node.hidden = now.predict !== name || Boolean(now.problem);
    if (box.node.hidden) box.reset();
  }
  const box = boxes[now.predict];
  if (!box || now.problem) return;
  const { valid_loss } = now.curves, isBest = now.predict === "best";
  box.ask({
    key: JSON.stringify([settingOf(now), isBest && now.seed]),
    question: isBest ? `After which epoch is the validation loss lowest (${whose(now)})? Right to within a fifth.` : `Test accuracy after the last epoch in %, mean of ${now.seeds.length} seeds? Right to within 3 %.`,
    names: [isBest ? "epoch" : "percent"],
    answer: [isBest ? valid_loss.indexOf(Math.min(...valid_loss)) : Math.round(mean(now.results.map(({ last }) => last)) * 1000) / 10],
  });
  now.hide = box.hidden();
}

function buildPage(model, set, draw, get) {
  const steps = stepper({ label: "Epoch", onStep: (epoch) => set({ epoch }) });
  const charts = Object.fromEntries([["loss", "loss"], ["accuracy", "accuracy in %"]].map(([metric, yLabel]) =>
    [metric, chart({ label: `Training and validation ${metric} by epoch`, xLabel: "epoch e", yLabel, onScrub: (epoch) => set({ epoch }) })]));
  const boxes = { best: predictBox({ onReveal: () => draw(), tolerance: 0.2 }), test: predictBox({ onReveal: () => draw(), tolerance: 0.03 }) };
  const page = { fields: makeFields(set), charts, boxes, steps, live: announcer(), tables: tableAlternative("The numbers as tables", () => tablesOf(get())) };
  for (const part of ["trouble", "words", "formulas", "strip", "result"]) page[part] = el(`div.dlt-${part}`);
  page.keep = button("Keep this run", () => set({ kept: { ...settingOf(get()), patience: get().patience } }));
  page.forget = button("Forget the kept run", () => (set({ kept: null }), page.keep.focus()));
  const reset = () => {
    steps.stop();
    Object.values(boxes).forEach((box) => box.reset());
    set(initial.get(model.get("layout")));
  };
  const { hidden, noise, dropout, patience, metric, seed, predict } = page.fields;
  const bar = (...fields) => el("div.dlt-bar", {}, ...fields.map(({ node }) => node));
  page.outcome = el("div.dlt-outcome", {}, page.result, page.strip);
  page.stage = el("div.dlt-stage", {}, el("div", {}, charts.loss.node, charts.accuracy.node, steps.node), el("div.dlt-side", {}, page.words, page.outcome));
  page.node = el("div.dlt-widget.dlt-card.dlt-overfit", { role: "group", ariaLabel: "Overfitting explorer" },
    bar(hidden, noise, dropout), bar(patience, metric, seed, predict), page.trouble, boxes.best.node, boxes.test.node, page.stage, page.formulas,
    el("div.dlt-bar", {}, page.keep, page.forget, button("Reset", reset), copyButton("Copy PyTorch code", () => code(get()))), page.tables.node, page.live.node);
  return page;
}

function drawPage(page, now, set) {
  const { fields, charts } = page, values = (name) => [...new Set(now.runs.map((run) => run[name]))];
  askQuestion(page.boxes, now);
  for (const name of SETTINGS) fields[name].set(values(name), now[name]);
  for (const name of ["patience", "metric", "predict"]) fields[name].set(now[name]);
  fields.seed.paint(now);
  const { problem, kept } = now, open = !problem && !now.hide;
  page.trouble.replaceChildren(...(problem ? [problem.message, " ", button("Show the nearest", () => set(problem.fix))] : []));
  page.stage.hidden = page.formulas.hidden = page.keep.disabled = Boolean(problem);
  page.outcome.hidden = !open;
  page.forget.hidden = !now.s.kept;
  page.steps.set(now.epoch, now.epochs + 1);
  if (!problem) {
    for (const metric of Object.keys(charts)) charts[metric].node.hidden = metric !== now.metric;
    charts[now.metric].paint(chartScene(now, now.metric));
    page.words.textContent = sentences(now);
    page.formulas.replaceChildren(...formulas(now));
  }
  const before = page.result.textContent;
  if (open) {
    page.result.textContent = resultWords(now);
    page.strip.replaceChildren(strip([...rowsOf("this run", now), ...(kept ? rowsOf("kept run", kept) : [])]));
  }
  page.tables.update();
  const news = open && page.result.textContent !== before ? page.result.textContent : "";
  page.live.say(problem?.message ?? `${page.words.textContent} ${news}`);
}

function render({ model, el: host }) {
  let runs, now;
  const set = (traits) => {
    for (const [trait, value] of Object.entries(traits)) model.set(trait, value);
    model.save_changes();
  };
  const draw = () => {
    now = shown(model, runs);
    drawPage(page, now, set);
  };
  const update = () => {
    runs = unpack(model.get("runs"));
    draw();
  };
  const page = buildPage(model, set, draw, () => now);
  host.append(page.node);
  update();
  const ends = [watch(model, TRAITS, draw), watch(model, ["runs"], update)];
  return () => {
    ends.forEach((end) => end());
    page.steps.stop();
  };
}

const math = { unpack, earlyStop, meanCurve, nearest, problemOf, curvesOf, resultsOf, ruleAt, parameterCount, code };
export default { initialize: ({ model }) => void initial.set(model.get("layout"), snapshot(model)), render, math };
