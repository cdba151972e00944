// Predict: a question with a number for an answer.

/** Whether two numbers are equal to within the tolerance and what rounding does. */
const near = (a, b, tolerance = 0) => Math.abs(a - b) <= tolerance + 1e-9 * Math.max(Math.abs(a), Math.abs(b));

const withUnit = (number, unit) => `${fmt(number, 10)} ${unit}`.trim();

/** What a response deserves: whether it is right, the verdict, and a hint when it is not. */
function verdict({ answer, tolerance, unit, wrong }, response) {
  const shown = withUnit(answer, unit);
  if (near(response, answer, tolerance)) return { right: true, text: `✓ Right: ${shown}.`, hint: "" };
  const hint = Object.entries(wrong).find(([number]) => near(response, Number(number)))?.[1];
  const text = `✗ ${fmt(response, 10)} is too ${response > answer ? "large" : "small"}.`;
  return { right: false, text, hint: hint ?? "Try again." };
}

/** Text with what stands between backticks as code; never read as HTML. */
const prose = (text) => text.split("\x60").map((part, i) => (i % 2 ? el("code", {}, part) : part));

const QUESTION = ["question", "answer", "tolerance", "unit", "explain", "wrong"];

function render({ model, el: host }) {
  const now = () => Object.fromEntries(QUESTION.map((name) => [name, model.get(name)]));
  const question = el("p.dlt-question");
  const input = el("input", { type: "number", step: "any" });
  const unit = el("span");
  const result = el("div.dlt-result", { role: "status" });
  const explain = el("p");
  const say = (text, hint = "", right = true) => {
    result.replaceChildren(el("b", {}, text), " ", ...prose(hint));
    input.setAttribute("aria-invalid", String(!right));
  };
  const open = () => {
    explain.hidden = !model.get("explain");
    explain.replaceChildren(...prose(model.get("explain")));
  };
  const judge = () => {
    const response = model.get("response");
    if (response === null) return;
    const { right, text, hint } = verdict(now(), response);
    input.value = response;
    say(text, hint, right);
    if (right) open();
  };
  const check = (event) => {
    event.preventDefault();
    const response = input.valueAsNumber;
    if (Number.isNaN(response)) return say("Type a number first.");
    model.set("response", response);
    model.save_changes();
    judge();
  };
  const show = button("Show the answer", () => {
    say(`The answer is ${withUnit(model.get("answer"), unit.textContent)}.`);
    open();
  });
  const update = () => {
    question.replaceChildren(...prose(model.get("question")));
    unit.textContent = model.get("unit");
    input.setAttribute("aria-label", ["Your prediction", unit.textContent].filter(Boolean).join(", "));
    judge();
  };
  explain.hidden = true;
  host.append(el("form.dlt-widget.dlt-card.dlt-ask", { onsubmit: check, noValidate: true, ariaLabel: "Predict" }, question,
    el("div.dlt-bar", {}, input, unit, el("button.dlt-button", { type: "submit" }, "Check"), show), result, explain));
  update();
  return watch(model, [...QUESTION, "response"], update);
}

const math = { near, verdict };
export default { render, math };
