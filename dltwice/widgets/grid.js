// For widgets that show numbers cell by cell: the grid, the stepper over its cells, and the tables beside it.

/**
 * An ARIA grid with one tab stop. Arrow keys, Home and End move; hover, focus and tap point; Space, a click or a
 * tap pins; Enter, a digit or a second tap edits, Escape cancels. `paint(rows, cols, look)` draws it, where
 * look(r, c) gives { text, label, cls, shade: 0 to 1, pinned, note, value: only where it may be edited }.
 */
function numberGrid({ label, onPoint, onPin, onEdit }) {
  const node = el("div.dlt-grid", { role: "grid", ariaLabel: label });
  const place = new WeakMap();
  let cells = [[]], active = [0, 0], editing = false;
  const at = (event) => place.get(event.target.closest("[role=gridcell]"));
  const editable = ([r, c]) => "value" in cells[r][c].dataset;
  const activate = (r, c, focus) => {
    cells[active[0]]?.[active[1]]?.setAttribute("tabindex", -1);
    active = [Math.max(0, Math.min(cells.length - 1, r)), Math.max(0, Math.min(cells[0].length - 1, c))];
    const cell = cells[active[0]][active[1]];
    cell.setAttribute("tabindex", 0);
    if (focus) cell.focus();
  };
  const edit = ([r, c], first) => {
    const cell = cells[r][c];
    const finish = (keep, focus) => {
      if (!editing) return;
      editing = false;
      const text = input.value.trim().replace("−", "-");
      cell.replaceChildren(cell.dataset.text);
      if (focus) cell.focus();
      if (keep && text && Number.isFinite(Number(text))) onEdit(r, c, Number(text));
    };
    const onkeydown = (event) => {
      event.stopPropagation();
      if (["Enter", "Escape"].includes(event.key)) finish(event.key === "Enter", true);
    };
    const input = el("input", { value: first ?? cell.dataset.value, ariaLabel: cell.ariaLabel, onblur: () => finish(true), onkeydown });
    editing = true;
    cell.replaceChildren(input);
    input.focus();
    if (!first) input.select();
  };
  listenToGrid(node, { at, activate, edit, editable, onPoint, onPin, busy: () => editing, width: () => cells[0].length });

  const build = (rows, cols) => {
    const focused = node.contains(document.activeElement);
    const cell = (r, c) => {
      const one = el("div.dlt-cell", { role: "gridcell", tabIndex: -1 });
      place.set(one, [r, c]);
      return one;
    };
    cells = Array.from({ length: rows }, (_, r) => Array.from({ length: cols }, (_, c) => cell(r, c)));
    node.replaceChildren(...cells.map((row) => el("div.dlt-row", { role: "row" }, ...row)));
    activate(...active, focused);
  };
  const draw = (one, { text, label, cls = "", shade = 0, value, note, pinned = false }) => {
    one.className = `dlt-cell ${cls}${text.length > 3 ? " dlt-long" : ""}`;
    one.style.setProperty("--shade", shade.toFixed(2));
    one.ariaLabel = label;
    one.ariaSelected = pinned;
    for (const [key, data] of Object.entries({ value, note })) {
      if (data === undefined) delete one.dataset[key];
      else one.dataset[key] = data;
    }
    if (one.dataset.text === text && one.firstChild) return;
    one.dataset.text = text;
    one.replaceChildren(text);
  };
  const paint = (rows, cols, look) => {
    if (rows !== cells.length || cols !== cells[0].length) build(rows, cols);
    cells.forEach((row, r) => row.forEach((one, c) => draw(one, look(r, c))));
  };
  return { node, paint };
}

/** What mouse, finger and keyboard do on a grid. */
function listenToGrid(node, { at, activate, edit, editable, onPoint, onPin, busy, width }) {
  const on = (type, act) => node.addEventListener(type, act);
  on("pointerover", (event) => event.pointerType === "mouse" && onPoint(at(event) ?? null));
  on("pointerleave", () => onPoint(null));
  on("focusout", () => onPoint(null));
  on("focusin", (event) => {
    if (!at(event)) return;
    activate(...at(event));
    onPoint(at(event));
  });
  on("click", (event) => {
    const cell = at(event);
    if (!cell || busy()) return;
    activate(...cell, true);
    if (event.target.ariaSelected === "true" && editable(cell)) edit(cell);
    else onPin(cell);
  });
  on("keydown", (event) => {
    const cell = at(event), { key } = event;
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, c] = cell;
    const to = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1], Home: [r, 0], End: [r, width() - 1] }[key];
    if (to) activate(...to, true);
    else if (key === "Escape") onPin(null);
    else if (/^[-−\d.]$/.test(key) && editable(cell)) edit(cell, key);
    else if (key === "Enter" && editable(cell)) edit(cell);
    else if (key === " " || key === "Enter") onPin(cell);
    else return;
    event.preventDefault();
  });
}

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
