// A field for a height and a width.

/** Height and width apart, or linked to stay equal. */
function pairField({ label, min, max, onChange }) {
  let pair = [min, min], linked = true;
  const fields = ["height", "width"].map((name, axis) => numberField({
    label: `${label} ${name}`, text: name[0].toUpperCase(), min, max,
    onChange: (value) => onChange(pair.map((old, i) => (linked || i === axis ? value : old))),
  }));
  const show = () => {
    link.ariaPressed = linked;
    fields[1].node.hidden = linked;
  };
  const link = button("H = W", () => {
    linked = !linked;
    show();
    if (linked) onChange([pair[0], pair[0]]);
  }, { ariaLabel: `${label}: H = W, same height and width` });
  const set = (value) => {
    pair = value;
    linked &&= pair[0] === pair[1];
    fields.forEach((field, axis) => field.set(pair[axis]));
    show();
  };
  const name = el("span.dlt-name", {}, label);
  return { node: el("div.dlt-pair", { role: "group", ariaLabel: label }, name, link, ...fields.map(({ node }) => node)), set };
}
