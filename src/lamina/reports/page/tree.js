/* The tree of layers and weights: a virtual list with search, keys and marks. */

class TreeView {
  constructor() {
    this.name = "Tree";
    this.element = make("div", { class: "tree" });
    this.scroller = make("div", {
      class: "scroller", role: "treegrid", tabindex: "0", "aria-label": "Layers and weights",
      "aria-readonly": "true",
    });
    this.element.append(this.scroller);
    const titles = ["Layer", "Output", "Parameters", "Bytes", "FLOPs"];
    this.scroller.append(make("div", { class: "head row", role: "row", "aria-rowindex": 1 },
      ...titles.map((title, at) =>
        make("div", { role: "columnheader", class: at > 1 ? "number" : "" }, title))));
    this.list = new Rows(this.scroller, 30, (row, index) => this.draw(row, index));
    this.query = "";
    this.chosen = null;  // the row with the keys: a node, weight or link
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.scroller.addEventListener("click", (event) => this.click(event));
    this.openFirst();
    this.refresh();
  }

  /* Open the first levels, as far as their rows fit in a window. */
  openFirst() {
    let level = [ROOT];
    let room = 40;
    while (level.length) {
      const rows = level.reduce((sum, node) => sum + itemsOf(node).length, 0);
      if (level[0] !== ROOT && rows > room) break;
      room -= rows;
      level.forEach((node) => { node.open = true; });
      level = level.flatMap((node) => node.children);
    }
  }

  refresh() {
    this.list.set(this.query ? this.matching() : this.opened());
    this.scroller.setAttribute("aria-rowcount", this.list.rows.length + 1);
    this.mark();
  }

  opened(all = false) {
    const rows = [];
    const stack = [[ROOT, 1, 1]];
    while (stack.length) {
      const row = stack.pop();
      rows.push(row);
      const items = all || row[0].open ? itemsOf(row[0]) : [];
      for (let at = items.length - 1; at >= 0; at--) stack.push([items[at], at + 1, items.length]);
    }
    return rows;
  }

  /* The rows that match the query, with the layers above them. */
  matching() {
    const needed = new Set();
    this.hits = [];
    const visit = (item, node) => {
      this.hits.push(item);
      needed.add(item);
      for (let above = node; above && !needed.has(above); above = above.parent) needed.add(above);
    };
    for (const node of order) {
      if (haystack(node).includes(this.query)) visit(node, node.parent);
      for (const item of itemsOf(node)) {
        if (!item.children && haystack(item).includes(this.query)) visit(item, node);
      }
    }
    const rows = [];
    const stack = needed.has(ROOT) ? [[ROOT, 1, 1]] : [];
    while (stack.length) {
      const row = stack.pop();
      rows.push(row);
      const items = itemsOf(row[0]).filter((item) => needed.has(item));
      for (let at = items.length - 1; at >= 0; at--) stack.push([items[at], at + 1, items.length]);
    }
    return rows;
  }

  search(text) {
    this.query = text.toLowerCase();
    this.refresh();
    if (!this.query) return "";
    this.scroller.scrollTop = 0;
    this.list.update();
    return counted(this.hits.length, "match", "matches");
  }

  /* Choose the next match. */
  next(step = 1) {
    if (!this.query || !this.hits.length) return;
    const at = this.hits.indexOf(this.chosen);
    this.choose(this.hits[(at + step + this.hits.length) % this.hits.length]);
  }

  draw([item, at, count], index) {
    const node = item.children ? item : null;
    const depth = node ? node.depth : item.node.depth + 1;
    const inside = node ? itemsOf(node).length : 0;
    const isOpen = this.query ? inside > 0 : Boolean(node?.open && inside);
    const row = make("div", {
      class: `row ${node ? "layer" : "weight"}`, role: "row", id: `row-${index}`,
      "aria-level": depth + 1, "aria-posinset": at, "aria-setsize": count,
      "aria-rowindex": index + 2, "aria-selected": item === this.chosen ? "true" : "false",
      "aria-expanded": inside ? String(isOpen) : null,
    });
    if (item === this.chosen) row.classList.add("chosen");
    row.dataset.index = index;
    const name = make("div", { role: "gridcell", class: "name" });
    name.style.paddingInlineStart = `${Math.min(depth, 24) * 16 + 4}px`;
    name.append(make("span", { class: `twist ${inside ? (isOpen ? "open" : "shut") : ""}`,
      "aria-hidden": "true" }));
    row.append(name);
    if (node) this.drawLayer(row, name, node);
    else this.drawWeight(row, name, item.variable ?? item, item);
    return row;
  }

  drawLayer(row, name, node) {
    const label = node === ROOT ? "" : node.label;
    const kind = kindOf(node);
    if (label) name.append(make("span", { class: "label", title: shown(node.path, 300) },
      shown(label, 60)));
    if (kind) name.append(make("span", { class: label ? "kind" : "kind label" }, shown(kind, 60)));
    else if (node === ROOT) name.append(make("span", { class: "label" }, shown(DATA.title, 60)));
    else if (!node.layer) name.append(make("span", { class: "kind" }, counted(node.children.length, "item")));
    name.append(...markElements(marksOf(node)));
    const output = make("div", { role: "gridcell", class: "output" });
    if (node.alias) output.append(make("span", { class: "pale" }, `is ${shown(node.alias, 80)}`));
    else {
      const call = node.calls[0];
      if (call) output.append(specsElement(call.outputs, call.outputDims));
      else if (node.layer) output.append(specsElement(node.layer.outputs));
    }
    row.append(output, number(node.params, grouped(node.params), short(node.params)),
      number(node.bytes, `${grouped(node.bytes)} bytes`, bytesText(node.bytes)));
    const cell = number(node.total, `${grouped(node.total)} FLOPs`,
      share(node.total, FLOPS));
    if (node.total) {
      const bar = make("span", { class: "bar-fill", "aria-hidden": "true" });
      bar.style.width = `${Math.min(100, (100 * node.total) / FLOPS)}%`;
      cell.prepend(bar);
    }
    row.append(cell);
  }

  drawWeight(row, name, variable, item) {
    name.append(make("span", { class: "label", title: shown(item.path, 300) },
      shown(item.label, 60)));
    const isLink = item !== variable;
    name.append(...markElements(
      isLink ? [["shared", "tie", `the same weight as ${item.first}`]] : marksOfWeight(variable)));
    const output = make("div", { role: "gridcell", class: "output" });
    output.append(make("span", { class: "pale" }, `${shown(variable.dtype, 20)} `),
      shapeElement(variable.shape, variable.dims));
    if (isLink) output.append(make("span", { class: "why" }, `is ${shown(item.first, 80)}`));
    else if (variable.why.length) {
      output.append(make("span", { class: "why" }, whyText(variable)));
      output.title = whyText(variable);
    }
    row.append(output);
    if (isLink) row.append(number(0), number(0), number(0));
    else {
      row.append(number(variable.size, grouped(variable.size), short(variable.size)),
        number(variable.bytes, `${grouped(variable.bytes)} bytes`,
          bytesText(variable.bytes)), number(0));
    }
  }

  click(event) {
    const element = event.target.closest(".row:not(.head)");
    if (!element || event.target.closest(".dim")) return;
    const [item] = this.list.rows[element.dataset.index];
    if (item.children && !this.query && (event.target.closest(".twist") || item === this.chosen)) {
      item.open = !item.open;
      this.chosen = item;
      this.refresh();
    }
    this.choose(item);
  }

  toggle(node, open) {
    node.open = open;
    this.refresh();
  }

  indexOf(item) {
    return this.list.rows.findIndex((row) => row[0] === item);
  }

  /* Choose a row; open what is above it. */
  choose(item, quiet = false) {
    this.chosen = item;
    const node = item.children ? item : item.node;
    if (this.indexOf(item) < 0) {
      if (this.query) page.clearSearch();
      for (let above = item.children ? node.parent : node; above; above = above.parent) {
        above.open = true;
      }
      this.refresh();
    }
    const index = this.indexOf(item);
    if (index >= 0 && this.scroller.clientHeight) this.list.show(index);
    this.mark();
    if (!quiet) page.select(node, this);
  }

  mark() {
    for (const [index, element] of this.list.drawn) {
      const isChosen = this.list.rows[index][0] === this.chosen;
      element.classList.toggle("chosen", isChosen);
      element.setAttribute("aria-selected", String(isChosen));
      if (isChosen) this.scroller.setAttribute("aria-activedescendant", element.id);
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = this.list.rows;
    const at = Math.max(this.indexOf(this.chosen), 0);
    const item = this.chosen ?? rows[0]?.[0];
    const many = Math.max(1, Math.floor(this.scroller.clientHeight / this.list.height) - 2);
    const go = (index) => rows.length
      && this.choose(rows[Math.max(0, Math.min(rows.length - 1, index))][0]);
    const isOpen = item?.children && (this.query || item.open) && itemsOf(item).length;
    const steps = {
      ArrowDown: () => go(this.chosen ? at + 1 : 0), ArrowUp: () => go(at - 1),
      PageDown: () => go(at + many), PageUp: () => go(at - many),
      Home: () => go(0), End: () => go(rows.length - 1),
      ArrowRight: () => {
        if (isOpen) go(at + 1);
        else if (item?.children && itemsOf(item).length) this.toggle(item, true);
      },
      ArrowLeft: () => {
        if (isOpen && !this.query) this.toggle(item, false);
        else if (item) this.choose((item.children ? item.parent : item.node) ?? item);
      },
      Enter: () => {
        if (this.query) this.next();
        else if (item?.children) this.toggle(item, !item.open);
      },
      "*": () => {
        for (const one of item?.parent?.children ?? []) one.open = true;
        this.refresh();
      },
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  }

  shown() {
    this.list.update();
    this.mark();
  }

  selected(node) {
    const item = this.chosen;
    if (node && (item?.children ? item : item?.node) !== node) this.choose(node, true);
  }
}

/* What stands below a node: its weights, then its layers. */
function itemsOf(node) {
  return node.children ? (node.items ??= [...node.weights, ...(node.links ?? []), ...node.children])
    : [];
}

function haystack(item) {
  return item.haystack ??= `${item.path} ${item.children ? `${kindOf(item)} ${item.layer?.name ?? ""}`
    : item.initializer ?? ""}`.toLowerCase();
}

function whyText(variable) {
  return variable.why.slice(0, 8)
    .map((why, axis) => `${variable.shape[axis]} = ${shown(why, 60)}`).join(", ");
}

function number(value, title, text) {
  return make("div", { role: "gridcell", class: "number", title: value ? title : null },
    make("span", {}, value ? text : ""));
}
