// What all widgets share. The Python base class puts this text in front of a widget's own file, which holds
// the only export: `export default { initialize, render, math }`. A page may hold many widgets: no ids here.

// ---- text, elements, MathML ----------------------------------------------------------------------------

/** A number for people: at most `digits` significant digits, a true minus, no noise of rounding. */
function fmt(value, digits = 4) {
  if (Math.abs(value) < 1e-12) return "0";
  if (Number.isSafeInteger(value)) return String(value).replace("-", "−");
  return String(+value.toPrecision(digits)).replaceAll("-", "−");
}

/** `el("button.dlt-small", { type: "button", onclick }, "text")`: an element; null is left out. */
function el(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  node.className = classes.join(" ");
  for (const [key, value] of Object.entries(props)) {
    if (value === null) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const button = (text, onclick, props = {}) => el("button.dlt-button", { type: "button", onclick, ...props }, text);

/** One MathML element; text among the children is split into numbers, names (H_out has an index) and signs. */
function ml(tag, ...children) {
  const node = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
  for (const child of children) {
    if (typeof child !== "string" || /^m[nio]$|mtext/.test(tag)) node.append(child);
    else node.append(...(child.match(/\d[\d.e]*|\p{L}+(_\p{L}+)?|\S/gu) ?? []).map(mlToken));
  }
  return node;
}

function mlToken(token) {
  const [name, index] = token.split("_");
  if (index) return ml("msub", ml("mi", name), ml("mtext", index));
  const node = ml(/^\d/.test(token) ? "mn" : /^\p{L}/u.test(token) ? "mi" : "mo", token);
  if ("()[]".includes(token)) node.setAttribute("stretchy", "false"); // or they drop below the line
  return node;
}

/** A formula: `formula("y = ", frac("a + 1", "2"))`. */
const formula = (...parts) => ml("math", ml("mrow", ...parts));
const frac = (above, below) => ml("mfrac", ml("mrow", above), ml("mrow", below));

/** Why a number may not be used, and the nearest one that may: null or { message, fix }. */
function numberProblem(label, value, min, max, whole = true) {
  if (Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isInteger(value))) return null;
  const fix = Math.min(max, Math.max(min, Math.round(value) || 0));
  const got = Number.isNaN(value) ? "that is no number" : `${fmt(value)} is not`;
  return { message: `${label} must be a ${whole ? "whole " : ""}number from ${fmt(min)} to ${fmt(max)}; ${got}.`, fix };
}

// ---- fields --------------------------------------------------------------------------------------------

/**
 * A labelled number with − and + buttons. A bad number is explained, and the nearest good one offered. What the buttons
 * do, one less and one more, `next(value, -1 or 1)` may decide.
 */
function numberField({ label, text = label, min, max, whole = true, next, onChange }) {
  const error = el("span.dlt-error", { role: "status" });
  const explain = (problem) => {
    input.ariaInvalid = Boolean(problem);
    error.replaceChildren(...(problem ? [problem.message, button(`Use ${fmt(problem.fix)}`, () => put(problem.fix))] : []));
  };
  const take = () => {
    const value = input.valueAsNumber, problem = numberProblem(label, value, min, max, whole);
    explain(problem);
    if (!problem) onChange(value);
  };
  const put = (value) => {
    input.value = Math.min(max, Math.max(min, value || 0));
    take();
  };
  const input = el("input", { type: "number", min, max, step: whole ? 1 : "any", value: min, ariaLabel: label,
    oninput: () => input.value && take(), onchange: () => input.value || take() });
  const step = (sign, by, word) => button(sign, () => put(next ? next(input.valueAsNumber, by) : input.valueAsNumber + by), { ariaLabel: `${label}: ${next ? "" : "one "}${word}` });
  const node = el("span.dlt-number", {}, el("span.dlt-name", {}, text), step("−", -1, "less"), input, step("+", 1, "more"), error);
  const set = (value) => {
    if (input.valueAsNumber !== value) input.value = value;
    explain(null);
  };
  return { node, set };
}

/** A labelled list to choose from; options are [value, text]. */
function selectField({ label, options, onChange }) {
  const select = el("select", { onchange: () => onChange(select.value) },
    ...options.map(([value, text]) => el("option", { value }, text)));
  return { node: el("label.dlt-field", {}, el("span.dlt-name", {}, label), select), set: (v) => (select.value = v) };
}

function checkField({ label, onChange }) {
  const box = el("input", { type: "checkbox", onchange: () => onChange(box.checked) });
  return { node: el("label.dlt-check", {}, box, el("span", {}, label)), set: (v) => (box.checked = v) };
}

// ---- predictions, words, traits -------------------------------------------------------------------------

/** Asks for a guess before the answer shows; it is right to within `tolerance` of the answer's size. `ask` with
 * a new key starts over; `hidden()`: not answered yet. */
function predictBox({ onReveal, tolerance = 1e-9 }) {
  let key = null, answer = [], inputs = [], hidden = false, sign;
  const question = el("span.dlt-question"), fields = el("span.dlt-fields");
  const verdict = el("span.dlt-verdict", { role: "status" });
  const words = (values) => values.map((v) => fmt(v)).join(sign);
  const reveal = (text) => {
    hidden = false;
    verdict.textContent = text;
    onReveal();
  };
  const check = () => {
    const guess = inputs.map((input) => input.valueAsNumber);
    const isRight = (g, i) => Math.abs(g - answer[i]) <= tolerance * Math.max(1, Math.abs(answer[i]));
    if (guess.some(Number.isNaN)) verdict.textContent = "Write a number first.";
    else if (guess.every(isRight)) reveal(`Right: ${words(answer)}.`);
    else reveal(`Not quite: not ${words(guess)} but ${words(answer)}.`);
  };
  const node = el("form.dlt-predict", { onsubmit: (event) => (event.preventDefault(), check()) }, question, fields,
    el("button.dlt-button", { type: "submit" }, "Check"), button("Show anyway", () => reveal(`It is ${words(answer)}.`)), verdict);
  const ask = (next) => {
    ({ answer, sign = " × " } = next);
    if (next.key === key) return;
    [key, hidden, verdict.textContent, question.textContent] = [next.key, true, "", next.question];
    inputs = next.names.map((name) => el("input", { type: "number", step: "any", ariaLabel: name, placeholder: name }));
    fields.replaceChildren(...inputs);
  };
  return { node, ask, hidden: () => hidden, reset: () => (key = null, hidden = false) };
}

/** A button that copies a text, or shows it where there is no clipboard. */
function copyButton(label, getText) {
  const shown = el("textarea", { hidden: true, readOnly: true, rows: 8, ariaLabel: label });
  const one = button(label, async () => {
    try {
      await navigator.clipboard.writeText(getText());
      one.textContent = "Copied";
      setTimeout(() => (one.textContent = label), 1500);
    } catch {
      shown.value = getText();
      shown.hidden = false;
      shown.select();
    }
  });
  return el("span.dlt-copy", {}, one, shown);
}

/** A polite live region. `say` waits a moment, so that only the last of many quick changes is read out. */
function announcer() {
  const node = el("div.dlt-hidden", { "aria-live": "polite" });
  let timer = null;
  const say = (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (node.textContent = text), 200);
  };
  return { node, say };
}

/** Calls `update` once for all traits that change together; returns the function that ends it. */
function watch(model, names, update) {
  let waiting = false;
  const later = () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => ((waiting = false), update()));
  };
  names.forEach((name) => model.on(`change:${name}`, later));
  return () => names.forEach((name) => model.off(`change:${name}`, later));
}
