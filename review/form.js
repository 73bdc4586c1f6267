// The front end of utils/form.py: boxes to tick, a slider, a button; below them the truth. All texts are set
// as text, never as markup.

const SILENT = 8000; // ms after which the learner is told that Python does not answer

let views = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Without it JupyterLab takes keys for its own: pressing d twice would delete the cell.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

function render({ model, el }) {
  const id = `review-${Math.random().toString(36).slice(2, 8)}-${++views}`;
  const boxes = model.get("flaws").map(([name, title], i) => {
    const input = make("input", { type: "checkbox", id: `${id}-${i}`, value: name, ...KEYS });
    return { input, row: make("div", { class: "box" }, input, make("label", { for: `${id}-${i}` }, title)) };
  });
  const slider = make("input", { id: `${id}-score`, type: "range", min: 40, max: 100, step: 1, value: 70, ...KEYS });
  const shown = make("output", { for: `${id}-score`, "aria-live": "off" });
  const say = () => {
    shown.value = (slider.value / 100).toFixed(2);
    slider.setAttribute("aria-valuetext", shown.value);
  };
  slider.addEventListener("input", say);
  const button = make("button", { type: "button", ...KEYS }, "Show the truth");
  const status = make("p", { class: "sentence", role: "status" });
  const image = make("img", { alt: "", hidden: "" });
  const table = make("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Your review beside the truth", hidden: "" });
  const root = make(
    "div",
    { class: "review-form", role: "group", "aria-label": "Your review" },
    make("fieldset", {}, make("legend", {}, "What is wrong with this study?"), ...boxes.map((box) => box.row)),
    make("div", { class: "score" }, make("label", { for: `${id}-score` }, "The true score at new sites (balanced accuracy, a coin gets 0.50)"), slider, shown),
    button,
    status,
    image,
    table,
  );

  let address = null;
  let timer = null;

  button.addEventListener("click", () => {
    const flaws = boxes.filter((box) => box.input.checked).map((box) => box.input.value);
    model.set("answer", { turn: model.get("answer").turn + 1, flaws, score: slider.value / 100 });
    model.save_changes();
    status.textContent = "Repairing one flaw after the other …";
    clearTimeout(timer);
    timer = setTimeout(() => {
      status.textContent =
        "Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was lost, run the cell with the paper and then this one again.";
    }, SILENT);
  });

  function reveal() {
    const verdict = model.get("verdict");
    root.dataset.turn = verdict.turn;
    if (!verdict.turn) return;
    clearTimeout(timer);
    status.textContent = verdict.sentence;
    const head = ["Flaw", "In the study?", "Your review", "What it does"].map((text) => make("th", { scope: "col" }, text));
    const body = verdict.rows.map(([title, ...cells]) =>
      make("tr", {}, make("th", { scope: "row" }, title), ...cells.map((text) => make("td", {}, text))),
    );
    table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
    table.hidden = !body.length;
    const picture = model.get("picture");
    image.hidden = !picture?.byteLength;
    image.alt = verdict.sentence;
    if (picture?.byteLength) {
      const old = address;
      address = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
      image.src = address;
      if (old) URL.revokeObjectURL(old);
    }
  }

  // A second view, or one that comes back, shows what was handed in.
  const { flaws, score } = model.get("answer");
  for (const { input } of boxes) input.checked = flaws.includes(input.value);
  if (score !== null) slider.value = Math.round(100 * score);
  say();
  model.on("change:verdict", reveal);
  reveal();
  el.append(root);
  return () => {
    model.off("change:verdict", reveal);
    clearTimeout(timer);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
