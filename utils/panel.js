// The front end of utils/panel.py: native controls, the picture, the sentence. It knows nothing of
// the simulation; even the texts of the values come from Python.

const COMPUTING = 300; // ms after which the picture is marked as not yet that of the newest position
const SILENT = 5000; // ms without an answer to a move after which the learner is told
const STALLED = 12000; // the same between two pictures of a refinement, which many learners on one machine slow down
const NO_ANSWER =
  "Python does not answer. If another cell is running, wait for it. If Python was restarted or the connection was lost, run this cell again.";
const RESTARTED = "Python was restarted. Run this cell again.";

let views = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Without this attribute, on the focused element itself, JupyterLab takes the arrow keys for its own, and
// pressing d twice deletes the cell.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

function makeControl(control, id, moved) {
  const label = make("label", { for: id }, control.label);
  if (control.kind === "choice") {
    const select = make("select", { id, ...KEYS }, ...control.texts.map((text, i) => make("option", { value: i }, text)));
    select.addEventListener("change", moved);
    return { row: make("div", { class: "control" }, label, select), input: select, set: (i) => (select.value = i) };
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
    set(Number(input.value));
    moved();
  });
  return { row: make("div", { class: "control" }, label, input, output), input, set };
}

function render({ model, el }) {
  const id = `explorable-${Math.random().toString(36).slice(2, 8)}-${++views}`;
  const controls = {};
  const rows = model.get("controls").map((control, i) => {
    controls[control.name] = makeControl(control, `${id}-${i}`, () => move(model.get("position").seed));
    return controls[control.name].row;
  });
  const sample = make("button", { type: "button", ...KEYS }, "New sample");
  const reset = make("button", { type: "button", ...KEYS }, "Reset");
  const status = make("span", { class: "status" });
  const image = make("img", { alt: "", decoding: "sync" });
  const problem = make("p", { hidden: "" });
  const stage = make("div", { class: "stage" }, image, problem);
  const sentence = make("p", { class: "sentence" });
  const announcer = make("div", { class: "hidden", role: "status" });
  const code = make("code");
  const copy = make("button", { type: "button", ...KEYS }, "Copy");
  const listing = make("pre", { tabindex: "0", role: "group", "aria-label": "The code of one study", ...KEYS }, code);
  const summary = make("summary", { ...KEYS }, "The code of one study");
  const hint = make("p", {}, "Paste it into an empty cell and run it: it prints this study's numbers. ", copy);
  const details = make("details", { class: "code" }, summary, hint, listing);
  const root = make(
    "div",
    { class: "explorable", role: "group", "aria-label": "Simulation" },
    ...rows,
    make("div", { class: "buttons" }, sample, reset, status),
    stage,
    sentence,
    details,
    announcer,
  );

  let address = null;
  let gone = false;
  let computing = null;
  let silent = null;

  function move(seed, at) {
    at ??= Object.fromEntries(Object.entries(controls).map(([name, { input }]) => [name, Number(input.value)]));
    // The picture is painted for this screen: fewer dots where it has fewer, and each of them where it belongs.
    const density = window.devicePixelRatio;
    model.set("position", { turn: model.get("position").turn + 1, at, seed, density });
    model.save_changes();
  }

  function showPosition() {
    const { at } = model.get("position");
    for (const [name, index] of Object.entries(at)) controls[name]?.set(index);
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
    clearTimeout(silent);
    clearTimeout(computing);
    warn(RESTARTED);
  }

  function showOutcome() {
    const shown = model.get("shown");
    // A notebook can be open in two windows: the other one has moved.
    if (shown.turn >= model.get("position").turn) {
      model.set("position", { turn: shown.turn, at: shown.at, seed: shown.seed });
    }
    const newest = shown.turn === model.get("position").turn;
    const refined = shown.repeats >= shown.of;
    heard(newest, refined || shown.problem);
    const [width, height] = model.get("size");
    if (width) {
      stage.style.width = `${width}px`;
      stage.style.aspectRatio = `${width} / ${height}`;
    }
    problem.hidden = !shown.problem;
    problem.textContent = shown.problem;
    image.hidden = Boolean(shown.problem);
    sentence.textContent = shown.sentence;
    image.alt = shown.sentence;
    const picture = model.get("picture");
    if (picture?.byteLength) {
      const old = address;
      address = URL.createObjectURL(new Blob([picture], { type: "image/png" }));
      // The browser keeps the old picture on display until the new one is complete.
      image.src = address;
      if (old) URL.revokeObjectURL(old);
    }
    // For the benchmark and the tests.
    root.dataset.turn = image.dataset.turn = shown.turn;
    root.dataset.state = refined || shown.problem ? "refined" : "refining";
    if (newest && refined) askForCode();
    if (newest) {
      const studies = refined ? shown.of : `${shown.repeats} of ${shown.of}`;
      status.textContent = shown.problem ? "" : `${studies} simulated studies`;
      // Once per move, when all is done: a screen reader is not to be flooded.
      if (shown.turn > 0 && (refined || shown.problem)) announcer.textContent = shown.problem || shown.sentence;
    }
  }

  // Its settings are in it, so it is asked for anew after every move; not while nobody looks at it.
  function askForCode() {
    if (details.open && !gone) model.send({ code: true });
  }

  function showCode(message) {
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

  details.addEventListener("toggle", askForCode);
  copy.addEventListener("click", copyCode);
  sample.addEventListener("click", () => move(model.get("position").seed + 1));
  reset.addEventListener("click", () => move(model.get("start").seed, model.get("start").at));
  const moved = () => {
    showPosition();
    wait();
  };
  model.on("change:position", moved);
  model.on("change:shown", showOutcome);
  model.on("msg:custom", showCode);
  model.on("comm_live_update", lost);
  showPosition();
  showOutcome();
  announcer.textContent = "";
  el.append(root);
  return () => {
    model.off("change:position", moved);
    model.off("change:shown", showOutcome);
    model.off("msg:custom", showCode);
    model.off("comm_live_update", lost);
    clearTimeout(computing);
    clearTimeout(silent);
    if (address) URL.revokeObjectURL(address);
  };
}

export default { render };
