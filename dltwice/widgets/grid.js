// For widgets that show numbers cell by cell.

/** A number that fits into a cell. */
const fmtCell = (value) => (Math.abs(value) < 1 ? fmt(Math.round(value * 100) / 100) : fmt(value, 3));

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
