/* The page: views in tabs, the chosen layer, highlighted dims, keys, and printing. */

class ChangesView {
  constructor() {
    this.name = "Changes";
    this.element = make("div", { class: "changes" });
    const counts = ["added", "removed", "changed"].map((kind) =>
      `${grouped(DATA.changes.filter((change) => change[0] === kind).length)} ${kind}`);
    this.element.append(make("p", { class: "note" },
      DATA.changes.length ? `Weights: ${counts.join(", ")}.` : "No weight differs."));
    this.scroller = make("div", { class: "scroller", role: "list", tabindex: "0",
      "aria-label": "Changed weights" });
    this.element.append(this.scroller);
    this.list = new Rows(this.scroller, 30, (change) => this.draw(change));
  }

  draw([kind, path, before, after]) {
    const sign = { added: "+", removed: "−", changed: "~" }[kind];
    const row = make("div", { class: `row change ${kind}`, role: "listitem" },
      make("span", { class: "sign", title: kind }, sign));
    const variable = byPath.get(path);
    row.append(variable ? nodeLink(variable.node, path) : make("span", {}, shown(path, 80)));
    row.append(" ", make("span", { class: "pale" }, [before, after].filter(Boolean)
      .map((one) => this.text(one, before, after)).join("  →  ")));
    return row;
  }

  text(one, before, after) {
    const [shape, dtype, initializer, trainable] = one;
    const other = one === before ? after : before;
    const words = [shown(shared(dtype), 20), `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`];
    if (!other || other[2] !== initializer) words.push(shown(shared(initializer), 40));
    if (other ? other[3] !== trainable : !trainable) words.push(trainable ? "trainable" : "frozen");
    return words.join(" ");
  }

  shown() {
    if (this.list.rows.length) this.list.update();
    else this.list.set(DATA.changes);
  }

  selected() {}
}

class Page {
  start() {
    this.selected = null;
    document.title = shown(`${DATA.title} · Lamina`, 100);
    this.details = document.getElementById("details");
    this.places = document.getElementById("places");
    this.box = document.getElementById("search");
    this.found = document.getElementById("found");
    document.getElementById("title").append(longText(DATA.title, 80));
    this.totals();
    this.tree = new TreeView();
    this.map = new MapView();
    this.views = [this.tree, new GraphView(), this.map];
    if (DATA.changes) this.views.push(new ChangesView());
    this.tabs = this.views.map((view, at) => this.tab(view, at));
    document.getElementById("app").hidden = false;
    this.show(this.viewOfAddress());
    this.listen();
    this.tree.choose(ROOT, true);
    this.select(ROOT, this.tree);
    this.prepare(0);
  }

  /* Make what search and dims need, a part in each idle time. */
  prepare(start) {
    const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
    idle(() => {
      const end = Math.min(order.length, start + 500);
      for (const node of order.slice(start, end)) {
        haystack(node);
        itemsOf(node).forEach(haystack);
      }
      if (end < order.length) this.prepare(end);
      else placesOf(-1);
    });
  }

  totals() {
    const parts = [];
    const layers = order.filter((node) => node.layer).length;
    if (layers) parts.push(counted(layers, "layer"));
    parts.push(`${grouped(ROOT.params)} parameters`, bytesText(ROOT.bytes));
    if (calls.length) parts.push(counted(calls.length, "call"));
    if (FLOPS) parts.push(`${short(FLOPS)} FLOPs where unknown dims are 1`);
    const line = document.getElementById("totals");
    line.append(parts.join(" · "));
    for (const note of DATA.notes.slice(0, 10)) {
      line.after(make("p", { class: "warning" }, longText(note, 240)));
    }
  }

  viewOfAddress() {
    return this.views.find((view) => hashOf(view) === location.hash) ?? this.tree;
  }

  /* Show a view that a person chose. The address keeps it, except in the frame of a notebook. */
  go(view) {
    this.show(view);
    if (window === window.top && location.hash !== hashOf(view)) location.hash = hashOf(view);
  }

  tab(view, at) {
    const tab = make("button", { type: "button", role: "tab", id: `tab-${at}`,
      "aria-controls": `view-${at}`, onclick: () => this.go(view) }, view.name);
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (at + step + this.views.length) % this.views.length;
      this.go(this.views[next]);
      this.tabs[next].focus();
    });
    document.getElementById("tabs").append(tab);
    const panel = make("div", { class: "view", role: "tabpanel", id: `view-${at}`,
      "aria-labelledby": tab.id }, view.element);
    panel.hidden = true;
    document.getElementById("views").append(panel);
    view.panel = panel;
    return tab;
  }

  show(view) {
    this.view = view;
    this.views.forEach((one, at) => {
      one.panel.hidden = one !== view;
      this.tabs[at].setAttribute("aria-selected", String(one === view));
      this.tabs[at].tabIndex = one === view ? 0 : -1;
    });
    view.shown();
    if (this.selected) view.selected(this.selected);
  }

  /* Choose a layer: its details are shown, and the view goes to it. */
  select(node, from = null) {
    const isNew = node !== this.selected;
    this.selected = node;
    if (isNew) {
      this.details.replaceChildren(detailsOf(node));
      this.details.parentElement.scrollTop = 0;
    }
    if (this.view !== from) this.view.selected(node);
  }

  /* Highlight a dim in all that is drawn. */
  light(dim) {
    if (dim === hovered) return;
    hovered = dim;
    this.relight();
  }

  pin(dim) {
    pinned = dim === pinned ? -1 : dim;
    hovered = -1;
    this.relight();
  }

  relight() {
    for (const element of document.querySelectorAll(".dim[data-dim].lit")) element.classList.remove("lit");
    let size = null;
    for (const dim of [pinned, hovered]) {
      if (dim < 0) continue;
      for (const element of document.querySelectorAll(`.dim[data-dim="${dim}"]`)) {
        element.classList.add("lit");
        size = element.dataset.size;
      }
    }
    if (this.view === this.map) this.map.mark();
    const listed = pinned >= 0 ? pinned : hovered;
    if (listed < 0) return;
    if (listed !== this.listed || pinned !== this.listedPin) {
      size = document.querySelector(`.dim[data-dim="${listed}"]`)?.dataset.size ?? size ?? this.size;
      this.size = size;
      this.places.replaceChildren(...placesElement(listed, size));
    }
    [this.listed, this.listedPin] = [listed, pinned];
    this.places.hidden = false;
  }

  clearSearch() {
    this.box.value = "";
    this.found.textContent = "";
    this.tree.query = "";
    this.tree.refresh();
  }

  listen() {
    const dimOf = (event) => Number(event.target.closest?.(".dim")?.dataset.dim ?? -1);
    for (const kind of ["pointerover", "focusin"]) {
      document.addEventListener(kind, (event) => this.light(dimOf(event)));
    }
    document.addEventListener("click", (event) => {
      if (dimOf(event) >= 0) this.pin(dimOf(event));
    });
    this.box.addEventListener("input", () => {
      if (this.view !== this.tree) this.go(this.tree);
      this.found.textContent = this.tree.search(this.box.value.trim());
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.tree.next(event.shiftKey ? -1 : 1);
      else if (event.key === "ArrowDown") this.tree.scroller.focus();
      else return;
      event.preventDefault();
    });
    document.addEventListener("keydown", (event) => this.key(event));
    window.addEventListener("hashchange", () => {
      if (this.view !== this.viewOfAddress()) this.show(this.viewOfAddress());
    });
    window.addEventListener("beforeprint", () => this.print(true));
    window.addEventListener("afterprint", () => this.print(false));
  }

  key(event) {
    if (event.key === "/" && event.target !== this.box && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.box.focus();
      this.box.select();
    } else if (event.key === "Escape") {
      if (pinned >= 0) this.pin(-1);
      else if (this.tree.query) {
        const { chosen } = this.tree;
        this.clearSearch();
        if (chosen) this.tree.choose(chosen);
        this.tree.scroller.focus();
      } else if (this.view === this.map) this.map.up();
    }
  }

  /* On paper, the whole tree is drawn. */
  print(isOn) {
    if (isOn && this.tree.list.all) return;
    const { list } = this.tree;
    list.all = isOn;
    if (isOn) list.set(this.tree.opened(true));
    else this.tree.refresh();
  }
}

const hashOf = (view) => `#${view.name.toLowerCase()}`;

const page = new Page();
page.start();
