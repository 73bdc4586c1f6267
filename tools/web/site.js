// What the pages of the site do: search, light and dark, and panels that move without Python. The file
// assets/panels.js (utils/panel.js, made a plain script) draws them; a stand-in for the kernel answers here.
(() => {
  const up = globalThis.honestUp;
  const script = (source) =>
    new Promise((resolve, reject) => {
      const element = document.createElement("script");
      Object.assign(element, { src: up + source, onload: resolve, onerror: reject });
      document.head.append(element);
    });
  const once = {};
  const load = (source) => (once[source] ??= script(source));

  // Answers as Python would, with what was computed beforehand (tools/bake.py).
  class Model {
    constructor(panel, snapped) {
      this.panel = panel;
      this.snapped = snapped;
      this.listeners = {};
      const { controls, start, guess, one_by_one } = panel;
      this.traits = { controls, start, guess, one_by_one, position: start };
      this.show(this.state(start), 0);
    }

    get(name) {
      return this.traits[name];
    }

    set(name, value) {
      if (JSON.stringify(value) === JSON.stringify(this.traits[name])) return;
      this.traits[name] = value;
      this.tell(`change:${name}`);
    }

    on(name, listener) {
      (this.listeners[name] ??= []).push(listener);
    }

    off(name, listener) {
      this.listeners[name] = (this.listeners[name] ?? []).filter((one) => one !== listener);
    }

    tell(name, ...what) {
      for (const listener of this.listeners[name] ?? []) listener(...what);
    }

    // The answer comes after the move, as it does from Python.
    save_changes() {
      setTimeout(() => this.answer(this.traits.position));
    }

    send(message) {
      setTimeout(() => {
        if (message.hello) this.tell("msg:custom", { hello: true });
        if (message.code) this.tell("msg:custom", { code: this.code() });
        if (message.position) this.answer(message.position);
      });
    }

    // What is kept for a position, or the nearest to it: samples and numbers of studies are few.
    state({ at, seed, studies }) {
      const { states, start, samples } = this.panel;
      const place = Object.values(at).join();
      const wanted = start.seed + ((seed - start.seed) % samples);
      const least = (counts) => counts.filter((count) => count >= studies).sort((a, b) => a - b)[0];
      for (const one of [wanted, start.seed]) {
        const begins = `${place}|${one}|`;
        const counts = Object.keys(states).filter((key) => key.startsWith(begins)).map((key) => Number(key.slice(begins.length)));
        const count = studies ? least(counts) : counts.find((count) => !count);
        if (count !== undefined) return states[begins + count];
      }
      return states[`${place}|${start.seed}|0`];
    }

    answer(position) {
      const state = this.state(position);
      const { seed, studies } = state[2];
      this.show(state, position.turn);
      this.snapped(seed !== position.seed || studies !== position.studies);
    }

    show([charts, numbers, shown], turn) {
      const { columns } = this.panel;
      const column = (i) => columns[i];
      const table = (named) => Object.fromEntries(Object.entries(named).map(([name, i]) => [name, column(i)]));
      this.traits.charts = this.panel.charts[charts];
      this.traits.numbers = numbers.map((tables) =>
        Object.fromEntries(Object.entries(tables).map(([name, named]) => [name, table(named)])),
      );
      this.set("shown", { ...shown, turn });
    }

    code() {
      const { at, seed } = this.traits.position;
      return this.panel.code.replace(/⟦(\w+)⟧/g, (_, name) => (name === "seed" ? seed : this.panel.values[name][at[name]]));
    }
  }

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  const came = {};
  globalThis.honestPanels = { baked: (name, packed) => (came[name] = packed) };

  async function bring(place) {
    const name = place.dataset.panel;
    await Promise.all([load("assets/panels.js"), load("assets/vega.js"), load(`panels/${name}.js`)]);
    const panel = await unpack(came[name]);
    const [here, all] = panel.settings;
    const kept = document.createElement("p");
    kept.className = "kept";
    const some = `This page holds ${here.toLocaleString("en")} of the panel's ${all.toLocaleString("en")} settings`;
    const begins = here === all ? "This page holds every setting of the panel" : some;
    kept.textContent = `${begins}, and a few samples of each. In the course itself, all of them are computed as you move.`;
    const box = document.createElement("div");
    const model = new Model(panel, (snapped) => kept.classList.toggle("asked", snapped));
    place.replaceChildren(box, kept);
    place.model = model;
    globalThis.honestPanels.render({ model, el: box });
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        // Where the browser is too old for it, the picture stays.
        bring(target).catch((error) => console.error(error));
      }
    },
    { rootMargin: "400px" },
  );
  for (const place of document.querySelectorAll("[data-panel]")) near.observe(place);

  // A panel looks at this attribute to be drawn anew in other colours.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => (document.body.dataset.theme = dark.matches ? "dark" : "light");
  dark.addEventListener("change", theme);
  theme();

  // A link into what is folded unfolds it.
  const unfold = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Search: the sections that hold all words, those with the words in their heading first.
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const element = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });

  async function search() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = !words.length;
    if (!words.length) return;
    await load("assets/index.js");
    const hits = [];
    for (const [href, page, heading, text] of globalThis.honestIndex) {
      const lower = `${heading} ${text}`.toLowerCase();
      if (!words.every((word) => lower.includes(word))) continue;
      const together = words.join(" ");
      const weight = 2 * words.filter((word) => heading.toLowerCase().includes(word)).length + lower.includes(together);
      const first = [together, ...words].map((word) => text.toLowerCase().indexOf(word)).find((place) => place >= 0) ?? 0;
      const at = Math.max(0, first - 60);
      hits.push({ href, page, heading, weight, piece: (at ? "… " : "") + text.slice(at, at + 160) });
    }
    hits.sort((a, b) => b.weight - a.weight);
    const count = hits.length === 1 ? "1 section" : `${hits.length} sections`;
    const list = document.createElement("ul");
    for (const { href, page, heading, piece } of hits.slice(0, 20)) {
      const item = document.createElement("li");
      item.append(element("a", heading === page ? page : `${page}: ${heading}`, { href: up + href }), element("small", piece));
      list.append(item);
    }
    found.replaceChildren(element("p", hits.length > 20 ? `${count}; the first 20:` : count), list);
  }

  find.addEventListener("input", search);
  find.form.addEventListener("submit", (event) => {
    event.preventDefault();
    found.querySelector("a")?.click();
  });
  const close = () => (found.hidden = true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => !event.target.closest("search") && close());
  found.addEventListener("click", (event) => event.target.closest("a") && close());
})();
