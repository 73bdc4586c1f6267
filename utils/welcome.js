// The front end of utils/welcome.py: a form for the learner's stand, and the list of what was found of the
// installation. All texts are set as text, never as markup.

const SILENT = 5000; // ms after which the learner is told that Python does not answer

let views = 0;

// Without this attribute JupyterLab takes some keys for its own; see panel.js.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function renderInstallation({ model, el }) {
  const list = make("ul");
  const line = (fine, text) =>
    list.append(make("li", { class: fine ? "fine" : "problem" }, make("strong", {}, fine ? "Fine. " : "Look here. "), text));
  for (const [fine, text] of model.get("lines")) line(fine, text);
  line(true, "This line was written by your browser, so the panels of the course will work.");
  el.append(make("div", { class: "welcome" }, list));
}

function renderStand({ model, el }) {
  const id = `stand-${Math.random().toString(36).slice(2, 8)}-${++views}`;
  const time = model.get("time");
  const rows = {};
  const form = make("form", {});
  for (const [name, text] of Object.entries(model.get("statements"))) {
    const radios = model.get("opinions").map((opinion) => {
      const input = make("input", { type: "radio", name: `${id}-${name}`, value: opinion, ...KEYS });
      return [make("label", {}, input, opinion), input];
    });
    const sure = make("input", { type: "range", id: `${id}-${name}-sure`, min: 50, max: 100, step: 5, ...KEYS });
    const output = make("output", { for: sure.id, "aria-live": "off" });
    const set = (value) => {
      sure.value = value;
      output.value = `${sure.value} %`;
      sure.setAttribute("aria-valuetext", output.value);
    };
    sure.addEventListener("input", () => set(sure.value));
    set(75);
    rows[name] = { radios: radios.map(([, input]) => input), set, sure };
    form.append(
      make(
        "fieldset",
        {},
        make("legend", {}, `${name}. ${text}`),
        make("div", { class: "row" }, ...radios.map(([label]) => label)),
        make("div", { class: "row" }, make("label", { for: sure.id }, "How sure?"), sure, output),
      ),
    );
  }
  const keep = make("button", { type: "submit", ...KEYS }, "Keep my stand");
  const remove = make("button", { type: "button", ...KEYS }, "Delete what was kept");
  const status = make("p", { role: "status" });
  const answers = make("div", { class: "answers" });
  form.append(make("div", { class: "row" }, keep, remove));
  el.append(make("div", { class: "welcome", role: "group", "aria-label": "Your stand" }, form, status, answers));

  let timer = null;
  function send(content) {
    status.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(() => {
      status.textContent =
        "Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was lost, run this cell again.";
    }, SILENT);
    model.send(content);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = {};
    for (const [name, { radios, sure }] of Object.entries(rows)) {
      const radio = radios.find((one) => one.checked);
      if (radio) chosen[name] = [radio.value, Number(sure.value)];
    }
    send({ do: "keep", answers: chosen });
  });
  remove.addEventListener("click", () => send({ do: "delete" }));

  const said = () => {
    clearTimeout(timer);
    status.textContent = model.get("message").text ?? "";
  };

  function compare() {
    answers.replaceChildren();
    const { first = {}, again } = model.get("stands");
    if (time !== "again" || !again) return;
    const told = (answer) => (answer ? `${answer[0]}, ${answer[1]} % sure` : "no stand");
    const head = ["Statement", "First", "Now", "What the course found"].map((text) => make("th", { scope: "col" }, text));
    const body = Object.entries(model.get("statements")).map(([name, text]) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, `${name}. ${text}`),
        make("td", {}, told(first[name])),
        make("td", {}, told(again[name])),
        make("td", {}, model.get("found")[name] ?? ""),
      ),
    );
    answers.append(make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body)));
  }

  const stood = () => {
    for (const [name, [opinion, sure]] of Object.entries(model.get("stands")[time] ?? {})) {
      for (const radio of rows[name].radios) radio.checked = radio.value === opinion;
      rows[name].set(sure);
    }
    compare();
  };
  model.on("change:message", said);
  model.on("change:stands", stood);
  said();
  stood();
  return () => {
    model.off("change:message", said);
    model.off("change:stands", stood);
    clearTimeout(timer);
  };
}

function render(context) {
  return context.model.get("kind") === "stand" ? renderStand(context) : renderInstallation(context);
}

export default { render };
