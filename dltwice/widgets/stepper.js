// The stepper over a history or over cells, and the tables that stand beside a drawing as text.

/** First, back, play, forward, last, a scrub bar and a speed. It plays only when asked to. */
function stepper({ label, onStep }) {
  let index = 0, count = 1, timer = null;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const go = (i) => onStep(Math.max(0, Math.min(count - 1, i)));
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const start = () => {
    if (index === count - 1) go(0);
    timer = setInterval(() => (index < count - 1 ? go(index + 1) : stop()), speed.value * (calm.matches ? 2 : 1));
    play.textContent = "Pause";
  };
  const jump = (text, ariaLabel, to) => button(text, () => (stop(), go(to())), { ariaLabel });
  const play = button("Play", () => (timer ? stop() : start()));
  const bar = el("input", { type: "range", min: 0, ariaLabel: label, oninput: () => (stop(), go(Number(bar.value))) });
  const speed = el("select", { ariaLabel: "Speed", onchange: () => timer && (stop(), start()) },
    ...[[1600, "½×"], [800, "1×"], [400, "2×"]].map(([value, text]) => el("option", { value, selected: text === "1×" }, text)));
  const node = el("div.dlt-stepper", { role: "group", ariaLabel: label },
    jump("|←", "First", () => 0), jump("←", "Step back", () => index - 1), play,
    jump("→", "Step forward", () => index + 1), jump("→|", "Last", () => count - 1), bar, speed);
  const set = (i, n) => {
    [index, count] = [i, n];
    bar.max = n - 1;
    bar.value = i;
    bar.ariaValueText = `${i + 1} of ${n}`;
  };
  return { node, set, stop };
}

/** Tables as a text alternative, made when opened: `tables()` gives [{ caption, rows }]. */
function tableAlternative(title, tables) {
  const line = (row) => el("tr", {}, ...row.map((value) => el("td", {}, Number.isFinite(value) ? fmt(value) : value)));
  const body = el("div.dlt-scroll", { tabIndex: 0, role: "group", ariaLabel: title });
  const update = () => node.open && body.replaceChildren(...tables().map(({ caption, rows }) =>
    el("table", {}, el("caption", {}, caption), el("tbody", {}, ...rows.map(line)))));
  const node = el("details.dlt-tables", { ontoggle: update }, el("summary", {}, title), body);
  return { node, update };
}
