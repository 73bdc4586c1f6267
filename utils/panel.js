// The front end of utils/panel.py: native controls, the picture (drawn by Vega-Lite), the sentence. It knows
// nothing of the simulation: what to draw, the numbers and even the texts of the values come from Python.

const COMPUTING = 300; // ms after which the picture is marked as not yet that of the newest position
const SILENT = 5000; // ms without an answer to a move after which the learner is told
const STALLED = 12000; // the same between two pictures of a refinement, which many learners on one machine slow down
const HELLO = 1500; // ms without a word from Python after a panel has come up
const NO_ANSWER =
  "Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was lost, run this cell again.";
const RESTARTED = "Python was restarted. Run this cell again.";
const ALONE = "This picture was kept in the notebook. To move the controls, run this cell.";
const BEFORE = " before";
const DARK = {
  "#D55E00": "#FF8F4D", "#009E73": "#3CCB9E", "#0072B2": "#63B8F0", "#AA4499": "#E58AD8",
  "#1A1A1A": "#F2F2F2", "#595959": "#BDBDBD", "#212121": "#E8E8E8", "#8C8C8C": "#9A9A9A", "#FFFFFF": "#1B1B1B",
};

let views = 0;
const guesses = new WeakMap(); // those made on this page, by an object that all views of a panel share

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Without this attribute, on the focused element itself, JupyterLab takes the arrow keys for its own, and
// pressing d twice deletes the cell.
const KEYS = { "data-lm-suppress-shortcuts": "true" };
const button = (text) => make("button", { type: "button", ...KEYS }, text);

// Of these numbers, the one whose value is nearest to the wanted one.
const nearest = (numbers, wanted, value = (number) => number) =>
  numbers.reduce((best, one) => (Math.abs(value(one) - wanted) < Math.abs(value(best) - wanted) ? one : best));

function makeControl(control, id, moved) {
  const label = make("label", { for: id }, control.label);
  let closed = [];
  if (control.kind === "choice") {
    const options = control.texts.map((text, i) => make("option", { value: i }, text));
    const select = make("select", { id, ...KEYS }, ...options);
    select.addEventListener("change", moved);
    const close = (at) => options.forEach((option, i) => (option.disabled = at.includes(i)));
    return { row: make("div", { class: "control" }, label, select), input: select, set: (i) => (select.value = i), close };
  }
  const input = make("input", { id, type: "range", min: 0, max: control.texts.length - 1, step: 1, ...KEYS });
  // An output is announced at every change by itself; the slider's own text is read out already.
  const output = make("output", { for: id, "aria-live": "off" });
  const set = (i) => {
    input.value = i;
    output.value = control.texts[i];
    input.setAttribute("aria-valuetext", control.texts[i]);
  };
  input.addEventListener("input", () => {
    // Where no study can be, with the other controls where they are, the slider stops before.
    const open = control.texts.map((_, i) => i).filter((i) => !closed.includes(i));
    const wanted = Number(input.value);
    set(open.length ? nearest(open, wanted) : wanted);
    moved();
  });
  return { row: make("div", { class: "control" }, label, input, output), input, set, close: (at) => (closed = at), values: control.values };
}

function rowsOf(columns) {
  const names = Object.keys(columns);
  const count = Object.values(columns).find(Array.isArray)?.length ?? 0;
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(names.map((name) => [name, Array.isArray(columns[name]) ? columns[name][i] : columns[name]])),
  );
}

// The library comes once for all panels of a page, by a model of its own (see _Library in panel.py).
function library() {
  if (globalThis.honestVega) return Promise.resolve(globalThis.honestVega);
  return new Promise((resolve) =>
    globalThis.addEventListener("honest-vega", () => resolve(globalThis.honestVega), { once: true }),
  );
}

// The charts side by side, each a view of its own, so that they go below each other where there is no room.
class Drawing {
  constructor(place) {
    this.place = place;
    this.views = [];
    this.key = "";
    this.resized = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const one = this.views.find(({ cell }) => cell === target);
        if (!one || !contentRect.width) continue;
        // A width that the plot within its axes has already would be no news to the library.
        const same = one.view.width() === contentRect.width;
        one.view.width(contentRect.width - (same ? 1 : 0)).runAsync();
      }
    });
  }

  dark() {
    const [red, green, blue] = (getComputedStyle(this.place).color.match(/\d+/g) ?? [0, 0, 0]).map(Number);
    return red + green + blue > 384;
  }

  // One drawing at a time; of those asked for meanwhile, the last.
  async show(charts, numbers, extra) {
    this.wanted = [charts, numbers, extra];
    if (this.busy) return this.busy;
    this.busy = (async () => {
      while (this.wanted) {
        const next = this.wanted;
        this.wanted = null;
        await this.draw(...next);
      }
    })().finally(() => (this.busy = null));
    return this.busy;
  }

  async draw(charts, numbers, extra) {
    await library();
    const tables = numbers.map((named, i) => {
      // A table without marks (a guess for which another chart has the place) is unknown to the library.
      const drawn = new Set(charts[i][0].layer.map(({ data }) => data.name));
      const used = Object.entries(named).filter(([name]) => drawn.has(name));
      const rows = Object.fromEntries(used.map(([name, columns]) => [name, rowsOf(columns)]));
      for (const [name, given] of Object.entries(extra(named))) if (name in rows) rows[name] = given;
      return rows;
    });
    const dark = this.dark();
    const key = JSON.stringify([charts, dark]);
    if (key !== this.key) await this.build(charts, tables, dark);
    else
      await Promise.all(
        this.views.map(({ view }, i) => {
          // A table that stays is left alone: every one that is set is drawn anew.
          for (const [name, rows] of Object.entries(tables[i])) {
            if (JSON.stringify(rows) !== JSON.stringify(this.tables[i][name])) view.data(name, rows);
          }
          return view.runAsync();
        }),
      );
    this.key = key;
    this.tables = tables;
  }

  async build(charts, tables, dark) {
    const { vegaEmbed } = await library();
    const cells = charts.map(([, share]) => make("div", { class: "chart", style: `flex: ${share} 1 ${Math.round(220 * share)}px` }));
    const old = this.views;
    this.resized.disconnect();
    this.place.style.minHeight = `${this.place.offsetHeight}px`; // so that the page does not jump
    this.place.replaceChildren(...cells);
    this.views = await Promise.all(
      charts.map(async ([spec], i) => {
        // Room on the right for words that may come. As padding, words that are there would take it twice.
        const room = {
          data: { values: [{}] },
          mark: { type: "point", size: 1, opacity: 0, xOffset: spec.padding.right },
          encoding: { x: { value: "width" }, y: { value: 0 } },
        };
        let text = JSON.stringify({
          ...spec,
          layer: [...spec.layer, room],
          padding: { ...spec.padding, right: 0 },
          $schema: "https://vega.github.io/schema/vega-lite/v6.json",
          background: null,
          width: cells[i].clientWidth || 560,
          autosize: { type: "fit-x", contains: "padding" },
        });
        if (dark) text = text.replace(/#[0-9A-F]{6}/g, (colour) => DARK[colour] ?? colour);
        const whole = { ...JSON.parse(text), datasets: tables[i] };
        // What it shows is said by the label of the stage, and in words.
        cells[i].setAttribute("aria-hidden", "true");
        const { view } = await vegaEmbed(cells[i], whole, { actions: false, renderer: "svg", defaultStyle: false });
        return { view, cell: cells[i] };
      }),
    );
    for (const { view } of old) view.finalize();
    this.place.style.minHeight = "";
    for (const { cell } of this.views) this.resized.observe(cell);
  }

  // The value on a scale of a chart under the pointer.
  valueAt({ clientX, clientY }, number, channel) {
    const { view, cell } = this.views[number];
    const box = cell.getBoundingClientRect();
    if (clientX < box.left || clientX > box.right) return null;
    const [left, top] = view.origin();
    return view.scale(channel).invert(channel === "x" ? clientX - box.left - left : clientY - box.top - top);
  }

  numberOf(element) {
    return this.views.findIndex(({ cell }) => cell.contains(element));
  }

  end() {
    this.resized.disconnect();
    for (const { view } of this.views) view.finalize();
  }
}

// What the learner is asked before anything is shown: a slider, by keyboard too, and the picture's own axis.
function makeGuess(question, id, changed, committed) {
  const input = make("input", { id, type: "range", min: 0, max: 1, step: 0.01, ...KEYS });
  const output = make("output", { for: id, "aria-live": "off" });
  const commit = button("That is my guess");
  const skip = button("Show me");
  const said = make("p", { class: "said" });
  const asking = make("div", { class: "asking" }, make("label", { for: id }, question), input, output, commit, skip);
  const set = (value) => {
    input.value = value;
    output.value = Number(input.value).toFixed(2);
    input.setAttribute("aria-valuetext", output.value);
    changed();
  };
  input.addEventListener("input", () => set(input.value));
  commit.addEventListener("click", () => committed(true));
  skip.addEventListener("click", () => committed(false));
  return { root: make("div", { class: "guess" }, asking, said), asking, said, set, value: () => Number(input.value) };
}

function render({ model, el }) {
  const id = `explorable-${Math.random().toString(36).slice(2, 8)}-${++views}`;
  const controls = {};
  const rows = model.get("controls").map((control, i) => {
    controls[control.name] = makeControl(control, `${id}-${i}`, () => move({ seed: model.get("position").seed }));
    return controls[control.name].row;
  });
  const sample = button("New sample");
  const reset = button("Reset");
  const few = model.get("one_by_one");
  const one = button("One study");
  const hundred = button("A hundred more");
  const all = button("All of them");
  const status = make("span", { class: "status" });
  const stage = make("div", { class: "stage", role: "img", "aria-label": "" });
  const problem = make("p", { class: "problem", hidden: "" });
  const headline = make("p", { class: "headline" });
  const sentence = make("p", { class: "sentence" });
  const announcer = make("div", { class: "hidden", role: "status" });
  const code = make("code");
  const copy = button("Copy");
  const listing = make("pre", { tabindex: "0", role: "group", "aria-label": "The code of one study", ...KEYS }, code);
  const hint = make("p", {}, "Paste it into an empty cell and run it: it prints this study's numbers. ", copy);
  const details = make("details", { class: "code" }, make("summary", { ...KEYS }, "The code of one study"), hint, listing);
  const words = make("details", { class: "words" }, make("summary", { ...KEYS }, "In words"), sentence);
  const asked = model.get("guess");
  const guess = asked.question ? makeGuess(asked.question, `${id}-guess`, redraw, commit) : null;
  const settings = make("fieldset", { class: "settings", "aria-label": "Settings" }, ...rows);
  const steps = few ? [make("div", { class: "buttons" }, one, hundred, all)] : [];
  settings.append(...steps, make("div", { class: "buttons" }, sample, reset));
  const side = make("div", { class: "side" }, settings, status);
  const main = make("div", { class: "main" }, headline, stage, problem, ...(guess ? [guess.root] : []), words, details);
  const root = make("div", { class: "explorable", role: "group", "aria-label": "Simulation" }, side, main, announcer);
  const drawing = new Drawing(stage);

  let gone = false;
  let computing = null;
  let silent = null;
  let hello = null;
  const made = guesses.get(model.get("start"));
  let asking = Boolean(guess) && !made;
  let held = null; // the line of the picture that is being dragged
  let before = null; // the numbers of the position before, for its ghost
  let last = null; // those of the last complete picture, and where its controls were

  function move({ seed, at, studies = model.get("position").studies }) {
    at ??= Object.fromEntries(Object.entries(controls).map(([name, { input }]) => [name, Number(input.value)]));
    model.set("position", { turn: model.get("position").turn + 1, at, seed, studies });
    model.save_changes();
  }

  function showPosition() {
    const { at, studies } = model.get("position");
    for (const [name, index] of Object.entries(at)) controls[name]?.set(index);
    one.disabled = hundred.disabled = studies >= few;
    all.disabled = !studies;
  }

  // The tables that are not Python's: the guess, the ghost, and none of the answer while it is asked for.
  function extra(named) {
    const tables = {};
    if (guess?.shown || asking) tables.guess = [{ x: guess.value(), y: guess.value() }];
    for (const name of Object.keys(named)) {
      if (name.endsWith(BEFORE) && before) {
        const old = before.numbers.find((tables) => name.slice(0, -BEFORE.length) in tables);
        if (old) tables[name] = rowsOf(old[name.slice(0, -BEFORE.length)]);
      }
      // A chart without a place for the guess shows data, and gives nothing away.
      if (asking && "guess" in named && !["guess", "chance"].includes(name)) tables[name] = [];
    }
    return tables;
  }

  function redraw() {
    const numbers = model.get("numbers");
    if (numbers.length) return drawing.show(model.get("charts"), numbers, extra);
    return Promise.resolve();
  }

  function wait() {
    announcer.textContent = "";
    if (gone) {
      root.classList.add("waiting");
      warn(RESTARTED);
      return;
    }
    if (computing === null || silent === null) {
      clearTimeout(silent);
      silent = setTimeout(ask, SILENT);
    }
    computing ??= setTimeout(() => {
      root.classList.add("waiting");
      status.textContent = "Computing …";
    }, COMPUTING);
  }

  function warn(text) {
    status.textContent = announcer.textContent = text;
  }

  // The move, or its answer, may have been lost with the line. A message of its own, because changes of the model
  // are held back until the last one is answered.
  function ask() {
    warn(NO_ANSWER);
    model.send({ position: model.get("position") });
    silent = setTimeout(ask, SILENT);
  }

  function heard(newest, complete) {
    clearTimeout(silent);
    // A refinement may stop half-way as well, when Python is restarted in the middle of it.
    silent = newest && complete ? null : setTimeout(ask, newest ? STALLED : SILENT);
    if (!newest) return;
    clearTimeout(computing);
    computing = null;
    root.classList.remove("waiting");
  }

  // JupyterLab lets go of all widgets when Python is restarted.
  function lost() {
    gone = true;
    for (const timer of [silent, computing, hello]) clearTimeout(timer);
    warn(RESTARTED);
  }

  function commit(kept) {
    asking = false;
    guess.shown = kept;
    guess.asking.hidden = true;
    guesses.set(model.get("start"), { kept, value: guess.value() });
    settings.disabled = false;
    root.classList.remove("asking");
    showOutcome();
    // First one study, so that it is seen going wrong.
    move({ seed: model.get("position").seed, studies: kept ? 1 : null });
    (kept ? one : all).focus();
  }

  function sayGuess({ answer, of }) {
    if (!guess?.shown) return;
    guess.said.textContent = "";
    if (answer === null) return;
    const studies = of === 1 ? "In this study" : `Over these ${of} studies`;
    guess.said.textContent = `Your guess: ${guess.value().toFixed(2)}. ${studies} it is ${answer.toFixed(2)}.`;
  }

  async function showOutcome() {
    const shown = model.get("shown");
    // A notebook can be open in two windows: the other one has moved.
    if (shown.turn >= model.get("position").turn) {
      model.set("position", { turn: shown.turn, at: shown.at, seed: shown.seed, studies: shown.studies });
    }
    const newest = shown.turn === model.get("position").turn;
    const refined = shown.repeats >= shown.of;
    heard(newest, refined || shown.problem);
    const where = JSON.stringify([shown.at, shown.seed]);
    if (last && last.where !== where) before = last;
    if (refined && !shown.problem && !asking) last = { where, numbers: model.get("numbers") };
    for (const [name, control] of Object.entries(controls)) {
      control.close(shown.closed[name] ?? []);
      const idle = shown.idle.includes(name);
      control.row.classList.toggle("idle", idle);
      control.row.title = idle ? "It changes nothing with the other settings as they are." : "";
    }
    problem.hidden = !shown.problem;
    problem.textContent = shown.problem;
    stage.hidden = Boolean(shown.problem);
    headline.textContent = asking ? "" : shown.headline.replaceAll(" %", "\u00a0%");
    sentence.textContent = asking ? "" : shown.sentence;
    stage.setAttribute("aria-label", asking ? "The axis on which you guess." : shown.sentence || shown.problem);
    sayGuess(shown);
    const drawn = redraw();
    if (newest) {
      const studies = shown.of === 1 ? "1 simulated study" : `${refined ? "" : `${shown.repeats} of `}${shown.of} simulated studies`;
      status.textContent = shown.problem || asking ? "" : studies;
      // Once per move, when all is done: a screen reader is not to be flooded.
      if (shown.turn > 0 && (refined || shown.problem)) announcer.textContent = shown.problem || shown.sentence;
      if (refined) askForCode();
    }
    await drawn;
    // For the benchmark and the tests.
    root.dataset.turn = shown.turn;
    root.dataset.state = refined || shown.problem ? "refined" : "refining";
  }

  // Its settings are in it, so it is asked for anew after every move; not while nobody looks at it.
  function askForCode() {
    if (details.open && !gone) model.send({ code: true });
  }

  function hear(message) {
    clearTimeout(hello);
    if (message.hello && status.textContent === ALONE) showOutcome();
    if (message.code) code.textContent = message.code;
  }

  async function copyCode() {
    try {
      await navigator.clipboard.writeText(code.textContent);
      warn("Copied.");
    } catch {
      // Not allowed on a page without https: the text is marked, and Ctrl+C takes it.
      getSelection().selectAllChildren(code);
      warn("Press Ctrl+C (on a Mac, Cmd+C) to copy.");
    }
  }

  // A line that moves a slider, by its name (see `handle` in drawing.py): from where it is held, as far as it goes.
  function hold(event) {
    const item = event.target.__data__;
    const name = item?.mark?.name?.match(/^drag_(\w+)_\d_marks$/)?.[1];
    if (asking || !controls[name] || controls[name].input.disabled) return;
    const channel = "x" in item.datum ? "x" : "y";
    const number = drawing.numberOf(event.target);
    const { input, values } = controls[name];
    const from = drawing.valueAt(event, number, channel);
    held = { channel, number, values, input, from, per: item.datum.per, value: values[input.value] };
    stage.setPointerCapture(event.pointerId);
    input.focus({ preventScroll: true }); // so that the arrow keys go on from there
    event.preventDefault();
  }

  function pull(event) {
    const to = drawing.valueAt(event, held.number, held.channel);
    if (to === null) return;
    const wanted = held.value + (to - held.from) / held.per;
    const at = nearest([...held.values.keys()], wanted, (i) => held.values[i]);
    if (at === Number(held.input.value)) return;
    held.input.value = at;
    held.input.dispatchEvent(new Event("input"));
  }

  function drag(event) {
    if (held) return pull(event);
    if (!asking || (event.type === "pointermove" && !event.buttons)) return;
    const lines = model.get("charts").map(([spec]) => spec.layer.find(({ data }) => data.name === "guess"));
    const number = lines.findIndex(Boolean);
    const value = drawing.valueAt(event, number, lines[number].encoding.x ? "y" : "x");
    if (value !== null) guess.set(Math.min(Math.max(value, 0), 1));
  }

  const step = (more) => move({ seed: model.get("position").seed, studies: Math.min((model.get("position").studies ?? 0) + more, few) });
  details.addEventListener("toggle", askForCode);
  copy.addEventListener("click", copyCode);
  one.addEventListener("click", () => step(1));
  hundred.addEventListener("click", () => step(100));
  all.addEventListener("click", () => move({ seed: model.get("position").seed, studies: null }));
  sample.addEventListener("click", () => move({ seed: model.get("position").seed + 1 }));
  reset.addEventListener("click", () => {
    before = last = null; // as at first: without the ghost of another position
    move(model.get("start"));
  });
  stage.addEventListener("pointerdown", hold);
  stage.addEventListener("pointerdown", drag);
  stage.addEventListener("pointermove", drag);
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (held = null));
  const moved = () => {
    showPosition();
    wait();
  };
  const themed = new MutationObserver(redraw);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "data-theme"] });
  model.on("change:position", moved);
  model.on("change:shown", showOutcome);
  model.on("msg:custom", hear);
  model.on("comm_live_update", lost);
  el.append(root);
  if (guess) {
    guess.shown = made?.kept;
    guess.asking.hidden = !asking;
    guess.set(made?.value ?? 0.5);
    settings.disabled = asking;
    root.classList.toggle("asking", asking);
  }
  showPosition();
  showOutcome();
  announcer.textContent = "";
  // A notebook that was opened again has the panel, but no Python behind it.
  hello = setTimeout(() => (status.textContent = ALONE), HELLO);
  try {
    model.send({ hello: true });
  } catch {
    status.textContent = ALONE;
  }
  return () => {
    model.off("change:position", moved);
    model.off("change:shown", showOutcome);
    model.off("msg:custom", hear);
    model.off("comm_live_update", lost);
    themed.disconnect();
    for (const timer of [silent, computing, hello]) clearTimeout(timer);
    drawing.end();
  };
}

export default { render };
