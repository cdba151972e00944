// The network as a graph: a button for every value over lines, lying or (by the style sheet) upright; and formulas.

// Middles of the buttons: x, y in the lying picture, then in the upright one.
const PLACES = {
  x1: [38, 100, 85, 30], x2: [38, 230, 229, 30],
  w11: [138, 30, 36, 112], w21: [138, 120, 117, 112], w12: [138, 210, 197, 112], w22: [138, 300, 278, 112],
  b1: [240, 30, 36, 196], z1: [240, 100, 117, 196], z2: [240, 230, 197, 196], b2: [240, 300, 278, 196],
  h1: [340, 100, 117, 280], h2: [340, 230, 197, 280], w31: [440, 100, 117, 364], w32: [440, 230, 197, 364],
  b3: [540, 95, 278, 448], z3: [540, 165, 157, 448], y_hat: [640, 165, 157, 532], y: [540, 265, 278, 616], L: [640, 265, 157, 616],
};
const SIZES = [680, 330, 314, 646];
const ROLES = { x: "input", w: "weight", b: "weight", h: "output", y: "output", L: "loss" };
const NAMES = [...GIVEN, ...FORWARD];
const LINKS = [...NAMES.flatMap((name) => nexts({}, name).map((next) => [name, "xh".includes(name[0]) ? partner(name, next[1]) : next])), ["y", "L"]];

/** The lines at a value and on through weights: those that go to it (end 1) or leave it (end 0), `all` of the way to the loss. */
const follow = (name, end, all) => LINKS.filter((link) => link[end] === name).flatMap((link) =>
  [link, ...(all || link[1 - end][0] === "w" ? follow(link[1 - end], end, all) : [])]);

const pretty = (text) => text.replace(/(?<!\p{L})([xwbzh])(\d+)/gu, (_, letter, digits) => letter + [...digits].map((i) => "₀₁₂₃"[i]).join(""));

/** A number that fits into a button. */
const short = (value) => {
  const plain = num(value, 3), power = Number(value).toExponential(1).replace("+", "").replaceAll("-", "−");
  return isFinite(value) && power.length < plain.length ? power : plain;
};

/** One line as SVG; `live`, "forward" or "backward", gives it an arrow. */
function drawLink(link, live, upright) {
  const [[a, b], [c, d]] = link.map((name) => PLACES[name].slice(upright));
  const turn = (Math.atan2(d - b, c - a) * 180) / Math.PI + (live === "backward") * 180;
  const arrow = live && `<path d="M-5-6 6 0-5 6z" transform="translate(${(a + c) / 2} ${(b + d) / 2}) rotate(${turn})"/>`;
  return `<g class="dlt-${live}"><path d="M${a} ${b}L${c} ${d}"/>${arrow}</g>`;
}

/** One tab stop: arrow keys move and select, click, tap, Enter and Space select, the same again and Escape let go. `paint(looks, live)`:
 * has for each name the two numbers and what else the button gets; `live(link)` is the kind of a line. */
function networkGraph({ label, onSelect }) {
  const drawings = [0, 2].map((i) => el(i ? "div.dlt-upright" : "div.dlt-lying"));
  const cells = table(Object.keys(PLACES), (name) => el(name === "y" ? "div.dlt-value" : "button.dlt-value", {
    "data-role": ROLES[name === "y" ? "" : name[0]] ?? name, onclick: () => onSelect(cells[name].ariaPressed === "true" ? "" : name), onfocus: () => rove(name),
    style: PLACES[name].map((at, i) => `--${"xyuv"[i]}: ${(100 * at) / SIZES[i]}%`).join(";"),
  }, el("b"), el("span"), el("span")));
  const rove = (name) => NAMES.forEach((one) => (cells[one].tabIndex = one === name ? 0 : -1));
  const toward = (from, dx, dy) => {
    const far = (name) => {
      const x = cells[name].offsetLeft - cells[from].offsetLeft, y = cells[name].offsetTop - cells[from].offsetTop;
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      return ahead > 9 && aside <= 2 * ahead ? ahead + 2 * aside : 1e9;
    };
    return NAMES.reduce((a, b) => (far(b) < far(a) ? b : a), from);
  };
  const onkeydown = (event) => {
    const from = NAMES.find((name) => cells[name] === event.target), { key } = event;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const to = arrow ? toward(from, ...arrow) : { Home: "x1", End: "L", Escape: "" }[key];
    if (to === undefined || to === from) return;
    event.preventDefault();
    cells[to]?.focus();
    onSelect(to);
  };
  const paint = (looks, live) => {
    drawings.forEach((drawing, i) => {
      const lines = LINKS.map((link) => drawLink(link, live(link), 2 * i)).join("");
      drawing.innerHTML = `<svg viewBox="0 0 ${SIZES[2 * i]} ${SIZES[2 * i + 1]}" aria-hidden="true">${lines}</svg>`;
    });
    for (const [name, { numbers, ...props }] of Object.entries(looks)) {
      const [title, ...lines] = cells[name].children;
      title.textContent = name === "y" ? "target y" : pretty(sign(name));
      Object.assign(cells[name], props);
      lines.forEach((line, i) => {
        line.textContent = (i && numbers[i] !== "" ? "∂ " : "") + short(numbers[i]);
        line.className = numbers[i] < 0 ? "dlt-negative" : "";
        line.style = `--shade: ${1 - 1 / (1 + Math.abs(numbers[i])) || 0}`;
      });
    }
  };
  rove("x1");
  return { node: el("div.dlt-network", { role: "group", ariaLabel: label, onkeydown }, ...drawings, ...Object.values(cells)), paint };
}

// ---- formulas: text as backprop_math.js writes it, as MathML ---------------------------------------------------------

const TOKEN = /∂([ŷL]|\w\d+)\/∂([ŷLθ]|\w\d+)|\{([^|]*)\|((?:[^{}]|\{[^{}]*\})*)\}|e\^\{([^{}]*)\}|([xwbzh])(\d+)|(−?\d[\d.]*)e([−+]?\d+)|−?\d[\d.]*|\p{L}+(?:′|\u00a0\d)?|\S/gu;
const symbols = (text) => [...text.matchAll(TOKEN)].map(([token, of, by, above, below, power, letter, index, digits, exponent]) => {
  const row = (part) => ml("mrow", ...symbols(part));
  if (by) return ml("mfrac", row(`∂${of}`), row(`∂${by}`));
  if (below) return ml("mfrac", row(above), row(below));
  if (power) return ml("msup", ml("mi", "e"), row(power));
  if (letter) return ml("msub", ml("mi", letter), ml("mn", index));
  if (exponent) return ml("mrow", ml("mn", digits), "·", ml("msup", ml("mn", "10"), ml("mn", exponent)));
  return /²|\d/.test(token) ? ml("mn", token) : mlToken(token);
});

/** A formula that may break before its signs of relation, sums and products. */
const formulaLine = (text) => el("p.dlt-formula", {}, ...text.split(/ (?=[=+·←] )/).map((part) => {
  const all = symbols(part);
  all[0].setAttribute("form", "infix"); // a sign at the start of a line has spaces around it all the same
  return ml("math", ...all);
}));
