// The front end of review/form.py: the paper, a place for one's own words, boxes to tick, a slider, a button; below
// them the truth. All texts are set as text, never as markup.

const SILENT = 8000; // ms after which the learner is told that Python does not answer
const WEIGHTS = ["major", "minor", "to be asked"];

let views = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Without it JupyterLab takes keys for its own: pressing d twice would delete the cell.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

// A picture of bytes; the address of the one before is given back.
function show(image, bytes) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.hidden = !bytes?.byteLength;
  if (image.hidden) image.removeAttribute("src");
  else image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
}

function rows(cells, tag, scope) {
  return cells.map((text, i) => make(i && tag === "td" ? "td" : "th", i && tag === "td" ? {} : { scope }, text));
}

// The little of Markdown that a paper uses: paragraphs, bold words, one table.
function written(text) {
  return text.split("\n\n").map((block) => {
    if (!block.startsWith("|")) {
      return make("p", {}, ...block.split("**").map((part, i) => (i % 2 ? make("strong", {}, part) : part)));
    }
    const lines = block.split("\n").map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
    const body = lines.slice(2).map((line) => make("tr", {}, ...rows(line, "td", "row")));
    return make("table", {}, make("thead", {}, make("tr", {}, ...rows(lines[0], "th", "col"))), make("tbody", {}, ...body));
  });
}

function render({ model, el }) {
  const id = `review-${Math.random().toString(36).slice(2, 8)}-${++views}`;
  let number = 0;
  const boxes = [];
  const lists = model.get("remarks").map(([question, remarks]) => {
    const lines = remarks.map(([name, title]) => {
      const at = `${id}-${++number}`;
      const input = make("input", { type: "checkbox", id: at, value: name, ...KEYS });
      const label = make("label", { for: at, id: `${at}-label` }, title);
      const weight = make("select", { "aria-label": "How much it matters", "aria-describedby": `${at}-label`, hidden: "", ...KEYS });
      weight.append(...WEIGHTS.map((text) => make("option", {}, text)));
      input.addEventListener("change", () => (weight.hidden = !input.checked));
      boxes.push({ input, weight });
      return make("div", { class: "box" }, input, label, weight);
    });
    return make("fieldset", {}, make("legend", {}, question), ...lines);
  });

  const heading = make("strong", {});
  const text = make("div", {});
  const figure = make("img", { alt: "Figure 1 of the paper: what its caption says." });
  const paper = make("div", { class: "paper", role: "region", "aria-label": "The paper", tabindex: "0", ...KEYS }, heading, text, figure);

  const words = make("textarea", { id: `${id}-words`, rows: 4, ...KEYS });
  const open = make("button", { type: "button", ...KEYS }, "Now the list");
  const own = make("div", { class: "own" }, make("label", { for: `${id}-words` }, "First in your own words: what would you write to the editor? (It stays on this page.)"), words, open);

  const slider = make("input", { id: `${id}-score`, type: "range", min: 40, max: 100, step: 1, value: 70, ...KEYS });
  const shown = make("output", { for: `${id}-score`, "aria-live": "off" });
  const say = () => {
    shown.value = (slider.value / 100).toFixed(2);
    slider.setAttribute("aria-valuetext", shown.value);
  };
  slider.addEventListener("input", say);
  const question = "What its model would score at new sites, in the measure that the paper reports";
  const button = make("button", { type: "button", ...KEYS }, "Show the truth");
  const list = make("div", { class: "list" }, ...lists, make("div", { class: "score" }, make("label", { for: `${id}-score` }, question), slider, shown), button);

  const status = make("p", { class: "sentence", role: "status" });
  const image = make("img", { class: "truth", alt: "", hidden: "" });
  const table = make("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Your review beside the truth", hidden: "" });
  const total = make("p", { class: "total" });
  const next = make("button", { type: "button", hidden: "", ...KEYS }, "Next paper");
  const beside = make("div", { class: "beside" }, paper, make("div", {}, own, list));
  const root = make("div", { class: "review-form", role: "group", "aria-label": "Your review" }, beside, status, image, table, total, next);

  let timer = null;

  function ask(more, waiting) {
    const flaws = boxes.filter(({ input }) => input.checked).map(({ input, weight }) => [input.value, weight.value]);
    model.set("answer", { turn: model.get("answer").turn + 1, flaws, score: slider.value / 100, next: false, ...more });
    model.save_changes();
    status.textContent = waiting;
    clearTimeout(timer);
    timer = setTimeout(() => {
      status.textContent =
        "Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was lost, run the cell with the paper and then this one again.";
    }, SILENT);
  }

  function list_is(open_now) {
    list.hidden = !open_now;
    open.hidden = open_now;
  }

  open.addEventListener("click", () => {
    list_is(true);
    boxes[0].input.focus();
  });
  button.addEventListener("click", () => ask({}, "Repairing one flaw after the other …"));
  next.addEventListener("click", () => {
    for (const { input, weight } of boxes) input.checked = !(weight.hidden = true);
    words.value = "";
    list_is(false);
    ask({ flaws: [], next: true }, "Another study is carried out …");
  });

  function print_paper() {
    const { number: of, text: said, figure: bytes } = model.get("paper");
    heading.textContent = `Study ${of}`;
    text.replaceChildren(...written(said));
    show(figure, bytes);
    paper.scrollTop = 0;
    if (model.get("answer").next) paper.focus();
  }

  function reveal() {
    const verdict = model.get("verdict");
    root.dataset.turn = verdict.turn;
    if (!verdict.turn) return;
    clearTimeout(timer);
    status.textContent = verdict.sentence;
    total.textContent = verdict.total;
    const head = rows(["Flaw", "In the study?", "Your review", "What it does"], "th", "col");
    const body = verdict.rows.map((cells) => make("tr", {}, ...rows(cells, "td", "row")));
    table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
    table.hidden = !body.length;
    next.hidden = !verdict.sentence;
    image.alt = verdict.sentence;
    show(image, model.get("picture"));
  }

  // A second view, or one that comes back, shows what was handed in.
  const { flaws, score, turn } = model.get("answer");
  const weights = new Map(flaws);
  for (const { input, weight } of boxes) {
    input.checked = weights.has(input.value);
    weight.hidden = !input.checked;
    if (input.checked) weight.value = weights.get(input.value);
  }
  if (score !== null) slider.value = Math.round(100 * score);
  list_is(turn > 0);
  say();
  model.on("change:verdict", reveal);
  model.on("change:paper", print_paper);
  print_paper();
  reveal();
  el.append(root);
  return () => {
    model.off("change:verdict", reveal);
    model.off("change:paper", print_paper);
    clearTimeout(timer);
    for (const one of [image, figure]) show(one, null);
  };
}

export default { render };
