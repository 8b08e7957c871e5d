/* The calls: boxes in call order, laid out one level at a time, with the flow between them. */

const GAP = 26;
const HEAD = 46;
const TAG = 22;
const MOST_BENDS = 3000;
const LONGEST = 40;  // rows that an edge crosses
const MOST_LONG = 6;  // long edges from one call
const MOST_EDGES = 300;

const measure = document.createElement("canvas").getContext("2d");
const MOST_MEASURED = 500;
const widths = new Map();

/* The width of a text; an estimate in levels of many calls, where measuring takes long. */
function widthOf(text, font, count = 1) {
  if (count > MOST_MEASURED) return text.length * 7.6;
  const key = font + text;
  if (!widths.has(key)) {
    if (measure.font !== font) measure.font = font;
    widths.set(key, measure.measureText(text).width);
  }
  return widths.get(key);
}

class GraphView {
  constructor() {
    this.name = "Calls";
    this.element = make("div", { class: "graph" });
    this.scroller = make("div", { class: "scroller", role: "tree", tabindex: "0",
      "aria-label": "Calls, in call order" });
    this.canvas = make("div", { class: "canvas", role: "presentation" });
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("aria-hidden", "true");
    this.note = make("p", { class: "pale note", role: "status" });
    this.canvas.append(this.svg);
    this.scroller.append(this.canvas);
    this.element.append(this.note, this.scroller);
    this.open = new Set(rootCalls.length === 1 ? [rootCalls[0].index] : []);
    this.sizes = new Map();
    this.drawn = new Map();
    this.chosen = rootCalls[0] ?? null;
    this.scroller.addEventListener("scroll", () => this.later(), { passive: true });
    this.scroller.addEventListener("click", (event) => this.click(event));
    this.scroller.addEventListener("dblclick", (event) => this.click(event, true));
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.later()).observe(this.scroller);
  }

  shown() {
    if (!this.boxes) this.layout();
    this.update();
  }

  later() {
    if (this.pending || !this.boxes) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.update();
    });
  }

  layout() {
    this.boxes = [];
    this.edges = [];
    const level = levelOf(rootCalls, null, this.open);
    this.flatten(level, 16, 16, 1);
    this.canvas.style.width = `${level.width + 32}px`;
    this.canvas.style.height = `${level.height + 32}px`;
    this.order = this.boxes.filter((box) => box.call).sort((a, b) => a.call.index - b.call.index);
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
  }

  flatten(level, left, top, depth) {
    for (const box of level.boxes) {
      box.x += left;
      box.y += top;
      box.depth = depth;
      this.boxes.push(box);
      if (box.level) this.flatten(box.level, box.x + 12, box.y + HEAD, depth + 1);
    }
    for (const edge of level.edges) {
      for (const point of edge.points) {
        point[0] += left;
        point[1] += top;
      }
      edge.top = edge.points[0][1];
      edge.bottom = edge.points.at(-1)[1];
      this.edges.push(edge);
    }
  }

  /* Draw what is in view, and remove what is not. */
  update() {
    const { scrollTop, clientHeight, scrollLeft, clientWidth } = this.scroller;
    if (!clientHeight) return;
    const [top, bottom] = [scrollTop - 300, scrollTop + clientHeight + 300];
    const [left, right] = [scrollLeft - 300, scrollLeft + clientWidth + 300];
    const needed = new Map();
    for (const box of this.boxes) {
      if (box.y < bottom && box.y + box.height > top && box.x < right && box.x + box.width > left) {
        needed.set(box.key, box);
      }
    }
    const edges = this.edges.filter((edge) => edge.top < bottom && edge.bottom > top);
    if (edges.length > MOST_EDGES) edges.sort((a, b) => a.bottom - a.top - (b.bottom - b.top));
    for (const edge of edges.slice(0, MOST_EDGES)) needed.set(edge.key, edge);
    const left_out = Math.max(0, edges.length - MOST_EDGES);
    this.note.textContent = left_out ? `${grouped(left_out)} long edges are not drawn here.`
      : !calls.length ? "The plan holds no calls. Plan the layer with specs to see them."
        : !isExamined ? "The plan holds no flow of data: boxes stand in call order." : "";
    this.note.hidden = !this.note.textContent;
    for (const [key, element] of this.drawn) {
      if (!needed.has(key)) {
        element.remove();
        this.drawn.delete(key);
      }
    }
    for (const [key, one] of needed) {
      if (this.drawn.has(key)) continue;
      const element = one.points ? edgeElement(one) : this.boxElement(one);
      this.drawn.set(key, element);
      (one.points ? this.svg : this.canvas).append(element);
    }
    this.mark();
  }

  boxElement(box) {
    if (box.text) return placed(make("div", { class: "tag stub" }, box.text), box);
    if (!box.call) {
      const tag = make("div", { class: "tag" }, specsElement(box.specs, box.dims, false, 3));
      return placed(tag, box);
    }
    const { call } = box;
    const isOpen = Boolean(box.level);
    const node = nodes.get(call.path);
    const element = make("div", {
      class: `call ${isOpen ? "open" : ""}`, role: "treeitem", id: `call-${call.index}`,
      "aria-level": box.depth, "aria-label": shown(`${call.path || call.layer}, ${call.layer}`),
      "aria-expanded": call.inner.length ? String(isOpen) : null,
      title: shown(`${call.path || call.layer}\n${call.at}`, 300).replaceAll("\\u000a", "\n"),
    });
    element.dataset.call = call.index;
    const title = make("div", { class: "title" },
      make("span", { class: `twist ${call.inner.length ? (isOpen ? "open" : "shut") : ""}`,
        "aria-hidden": "true" }),
      make("span", { class: "label" }, shown(callName(call), 40)));
    element.append(title, make("div", { class: "sub" },
      make("span", { class: "order", title: "place in call order" }, `${call.index + 1}`), " ",
      callSub(call, isOpen)));
    if (node && unused.has(node.path)) element.classList.add("unused");
    return placed(element, box);
  }

  mark() {
    for (const [key, element] of this.drawn) {
      if (!element.dataset.call) continue;
      const isChosen = this.chosen?.index === Number(element.dataset.call);
      element.classList.toggle("chosen", isChosen);
      element.classList.toggle("same", calls[element.dataset.call].path === page.selected?.path);
      element.setAttribute("aria-selected", String(isChosen));
      if (isChosen) this.scroller.setAttribute("aria-activedescendant", `call-${this.chosen.index}`);
    }
    for (const path of this.svg.children) {
      path.classList.toggle("near", path.dataset.from === String(this.chosen?.index)
        || path.dataset.to === String(this.chosen?.index));
    }
  }

  toggle(call) {
    if (!call.inner.length) return;
    if (!this.open.delete(call.index)) this.open.add(call.index);
    const before = this.boxes.find((box) => box.call === call);
    this.layout();
    const after = this.boxes.find((box) => box.call === call);
    this.update();
    this.scroller.scrollTop += after.y - before.y;  // the box stays where it is
    this.scroller.scrollLeft += after.x - before.x;
  }

  click(event, twice = false) {
    const element = event.target.closest(".call");
    if (!element || event.target.closest(".dim")) return;
    const call = calls[element.dataset.call];
    if (twice !== Boolean(event.target.closest(".twist"))) this.toggle(call);
    if (!twice) this.choose(call);
  }

  choose(call, quiet = false) {
    this.chosen = call;
    for (let above = calls[call.caller]; above; above = calls[above.caller]) {
      if (above.index === call.index || this.open.has(above.index)) continue;
      this.open.add(above.index);
      this.boxes = null;
    }
    if (!this.boxes) this.layout();
    const box = this.boxes.find((one) => one.call === call);
    const { scrollTop, clientHeight, scrollLeft, clientWidth } = this.scroller;
    if (clientHeight && box) {
      const height = Math.min(box.height, HEAD + 30);
      if (box.y < scrollTop) this.scroller.scrollTop = box.y - 40;
      if (box.y + height > scrollTop + clientHeight) {
        this.scroller.scrollTop = box.y + height + 40 - clientHeight;
      }
      if (box.x < scrollLeft || box.x > scrollLeft + clientWidth - 80) {
        this.scroller.scrollLeft = box.x - 40;
      }
      this.update();
    }
    const node = nodes.get(call.path);
    if (node && !quiet) page.select(node, this);
    this.mark();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.chosen) return;
    const at = this.order.findIndex((box) => box.call === this.chosen);
    const isOpen = this.open.has(this.chosen.index);
    const go = (index) => this.choose(this.order[Math.max(0, Math.min(this.order.length - 1, index))].call);
    const steps = {
      ArrowDown: () => go(at + 1), ArrowUp: () => go(at - 1), Home: () => go(0),
      End: () => go(this.order.length - 1),
      ArrowRight: () => (isOpen ? go(at + 1) : this.toggle(this.chosen)),
      ArrowLeft: () => {
        if (isOpen) this.toggle(this.chosen);
        else if (calls[this.chosen.caller]) this.choose(calls[this.chosen.caller]);
      },
      Enter: () => this.toggle(this.chosen),
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    steps[event.key]();
    this.mark();
  }

  selected(node) {
    if (this.chosen?.path !== node.path && node.calls.length) this.choose(node.calls[0], true);
    else if (this.boxes) this.mark();
  }
}

function callName(call) {
  const caller = calls[call.caller];
  const above = caller?.path ?? "";
  const inside = above && call.path.startsWith(above + ".") ? call.path.slice(above.length + 1)
    : call.path;
  return inside || call.layer;
}

function callSub(call, isOpen) {
  const kind = callName(call) === call.layer ? "" : shown(call.layer, 40);
  const method = call.method === "call" ? "" : `.${shown(call.method, 20)}`;
  const flops = call.work ? ` · ${share(call.work, FLOPS)}` : "";
  const count = call.inner.length && !isOpen ? ` · ${counted(call.inner.length, "call")}` : "";
  return `${kind}${method}${flops}${count}`.replace(/^ · /, "");
}

const specsWidths = new Map();

function specsWidth(specs) {
  if (specsWidths.has(specs)) return specsWidths.get(specs);
  const text = specs.slice(0, 3).map((one) => one.length < 3 ? `${one[0]}: ${one[1]}`
    : `${one[0]}: ${one[1]} (${one[2].map(sizeText).join(", ")}),`).join(" ");
  const width = Math.min(420, 24 + widthOf(shown(text, 90), "12px system-ui, sans-serif"));
  specsWidths.set(specs, width);
  return width;
}

function placed(element, box) {
  element.style.transform = `translate(${box.x}px, ${box.y}px)`;
  element.style.width = `${box.width}px`;
  element.style.height = `${box.height}px`;
  return element;
}

function edgeElement(edge) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const [first, ...others] = edge.points;
  let text = `M${first[0]},${first[1]}`;
  let last = first;
  for (const point of others) {
    const bend = Math.max(12, (point[1] - last[1]) / 2);
    text += `C${last[0]},${last[1] + bend} ${point[0]},${point[1] - bend} ${point[0]},${point[1]}`;
    last = point;
  }
  path.setAttribute("d", `${text}m-3.5,-6 l3.5,6 l3.5,-6`);
  path.setAttribute("class", edge.isOrder ? "edge order-only" : "edge");
  path.dataset.from = edge.from;
  path.dataset.to = edge.to;
  return path;
}

/* Lay out the calls of one caller: rows by the longest way from the inputs. */
function levelOf(inner, caller, open) {
  const cells = inner.map((call) => {
    const level = open.has(call.index) && call.inner.length ? levelOf(call.inner, call, open) : null;
    const width = 34 + Math.max(
      widthOf(shown(callName(call), 40), "600 13px system-ui, sans-serif", inner.length) + 12,
      widthOf(`${call.index + 1} ${callSub(call, Boolean(level))}`, "12px system-ui, sans-serif",
        inner.length) + 14);
    return {
      call, level, tag: specsWidth(call.outputs),
      width: Math.ceil(level ? Math.max(width, level.width + 24) : width),
      height: level ? level.height + HEAD + 12 : HEAD,
    };
  });
  const entry = caller && { specs: caller.inputs, dims: caller.inputDims, key: `in-${caller.index}`,
    tag: specsWidth(caller.inputs), width: 0, height: 0 };
  const exit = caller && { specs: [], width: 8, height: 0, tag: 0 };
  const links = linksOf(cells, caller, entry, exit);
  const rows = rowsOf(cells, links, entry, exit);
  const bent = addBends(rows, links);
  arrange(rows, bent);
  return drawing(rows, links, entry, exit);
}

function linksOf(cells, caller, entry, exit) {
  const links = [];
  const byIndex = new Map(cells.map((cell) => [cell.call.index, cell]));
  if (!isExamined) {
    const chain = [...(entry ? [entry] : []), ...cells];
    chain.slice(1).forEach((cell, at) => links.push({ from: chain[at], to: cell, isOrder: true }));
    return links;
  }
  for (const cell of cells) {
    for (const at of cell.call.sources) {
      const from = at === caller?.index ? entry : byIndex.get(at);
      if (from && (from === entry || at < cell.call.index)) links.push({ from, to: cell });
    }
  }
  for (const at of caller?.results ?? []) {
    const from = at === caller.index ? entry : byIndex.get(at);
    if (from) links.push({ from, to: exit });
  }
  return links;
}

function rowsOf(cells, links, entry, exit) {
  const into = new Map();
  for (const link of links) {
    if (into.has(link.to)) into.get(link.to).push(link.from);
    else into.set(link.to, [link.from]);
  }
  const ranks = [];
  if (entry) entry.rank = 0;
  for (const cell of cells) {
    cell.rank = (into.get(cell) ?? []).reduce((most, from) => Math.max(most, from.rank), 0) + 1;
    (ranks[cell.rank] ??= []).push(cell);
  }
  const rows = entry ? [[entry]] : [];
  for (const rank of ranks) {  // a wide rank becomes several rows
    for (let at = 0; rank && at < rank.length; at += 8) rows.push(rank.slice(at, at + 8));
  }
  if (exit) rows.push([exit]);
  rows.forEach((row, at) => row.forEach((cell) => { cell.row = at; }));
  return rows;
}

/* Lead long links through free places of the rows between; return the short pieces. Links that
   are too long or too many have only a stub at their end. */
function addBends(rows, links) {
  const pieces = [];
  const long = new Map();
  let length = 0;
  for (const link of links) {
    const rowsBetween = link.to.row - link.from.row - 1;
    if (rowsBetween > 0) long.set(link.from, (long.get(link.from) ?? 0) + 1);
    length += Math.min(rowsBetween, LONGEST);
  }
  for (const link of links) {
    link.bends = [];
    let last = link.from;
    const rowsBetween = link.to.row - link.from.row - 1;
    link.isStub = rowsBetween > 0 && (rowsBetween > LONGEST || length > MOST_BENDS
      || long.get(link.from) > MOST_LONG);
    if (link.isStub) continue;
    for (let at = link.from.row + 1; at < link.to.row; at++) {
      const bend = { row: at, width: 10, height: 0, tag: 0, isBend: true };
      rows[at].push(bend);
      link.bends.push(bend);
      pieces.push([last, bend]);
      last = bend;
    }
    pieces.push([last, link.to]);
  }
  return pieces;
}

/* Give the cells their places from left to right: near the cells that they are linked with. */
function arrange(rows, pieces) {
  if (rows.every((row) => row.length === 1)) {
    for (const [cell] of rows) cell.x = 0;
    return;
  }
  const above = new Map();
  const below = new Map();
  const add = (map, key, value) => (map.has(key) ? map.get(key).push(value) : map.set(key, [value]));
  for (const [from, to] of pieces) {
    if (from.row >= to.row) continue;
    add(above, to, from);
    add(below, from, to);
  }
  const space = (cell) => Math.max(cell.width, cell.tag);
  for (const row of rows) place(row, () => 0);
  for (let pass = 0; pass < (rows.length > 1000 ? 1 : 4); pass++) {
    const near = pass % 2 ? below : above;
    const goal = (cell) => {
      const linked = near.get(cell);
      return linked ? linked.reduce((sum, one) => sum + one.x, 0) / linked.length : cell.x;
    };
    for (const row of pass % 2 ? rows.toReversed() : rows) {
      if (row.length === 1) {
        row[0].x = goal(row[0]);
        continue;
      }
      const goals = new Map(row.map((cell) => [cell, goal(cell)]));
      row.sort((a, b) => goals.get(a) - goals.get(b)
        || Number(Boolean(a.isBend)) - Number(Boolean(b.isBend)));
      place(row, (cell) => goals.get(cell));
    }
  }

  function place(row, goal) {
    let edge = -Infinity;
    let off = 0;
    for (const cell of row) {
      const half = space(cell) / 2;
      cell.x = Math.max(goal(cell), edge + half);
      edge = cell.x + half + GAP;
      off += cell.x - goal(cell);
    }
    for (const cell of row) cell.x -= off / row.length;
  }
}

/* The calls that stubs lead to, with the numbers of the calls that they come from. */
function stubsOf(links) {
  const stubs = new Map();
  for (const { from, to, isStub } of links) {
    if (!isStub) continue;
    const text = from.call ? from.call.index + 1 : "inputs";
    if (stubs.has(to)) stubs.get(to).push(text);
    else stubs.set(to, [text]);
  }
  return stubs;
}

function drawing(rows, links, entry, exit) {
  let left = Infinity;
  let right = -Infinity;
  let top = 0;
  for (const row of rows) {
    let height = 0;
    for (const cell of row) {
      const half = Math.max(cell.width, cell.tag) / 2;
      left = Math.min(left, cell.x - half);
      right = Math.max(right, cell.x + half);
      height = Math.max(height, cell.height + (cell.tag ? TAG : 0));
    }
    for (const cell of row) {
      cell.y = top;
      cell.bottom = cell.isBend ? top + height : top + cell.height + (cell.tag ? TAG : 0);
    }
    top += height + (row[0] === exit ? 0 : 36);
  }
  const boxes = [];
  for (const cell of rows.flat()) {
    cell.x -= left;
    if (cell.call) {
      boxes.push({ key: `call-${cell.call.index}`, call: cell.call, level: cell.level,
        x: cell.x - cell.width / 2, y: cell.y, width: cell.width, height: cell.height });
    }
    if (cell.tag) {
      const { outputs, outputDims, index } = cell.call ?? {};
      boxes.push({ key: cell.call ? `out-${index}` : cell.key, specs: outputs ?? cell.specs,
        dims: cell.call ? outputDims : cell.dims,
        x: cell.x - cell.tag / 2, y: cell.bottom - TAG, width: cell.tag, height: TAG });
    }
  }
  for (const [to, from] of stubsOf(links)) {
    const text = `from ${from.slice(0, 4).join(", ")}${from.length > 4 ? ", …" : ""}`;
    const x = to.x + 16;
    boxes.push({ key: `stub-${to.call?.index ?? `out${entry?.key}`}`, text, x, y: to.y - 26,
      width: 200, height: 18 });
    right = Math.max(right, x + left + 26 + text.length * 6);
  }
  const edges = links.map((link) => ({
    key: `edge-${link.from.call?.index ?? entry?.key}-${link.to.call?.index ?? `out${entry?.key}`}`,
    from: link.from.call?.index ?? -1, to: link.to.call?.index ?? -1, isOrder: link.isOrder,
    points: [link.isStub ? [link.to.x + 12, link.to.y - 22] : [link.from.x, link.from.bottom],
      ...link.bends.flatMap((bend) => [[bend.x, bend.y], [bend.x, bend.bottom]]),
      [link.to.x, link.to.y]],
  }));
  const width = rows.length ? right - left : 0;
  return { boxes, edges, width, height: top };
}
