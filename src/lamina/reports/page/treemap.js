/* The sizes of layers as areas: parameters, memory or FLOPs; a click goes into a layer. */

const MEASURES = {
  params: ["Parameters", (value) => short(value)],
  bytes: ["Memory", bytesText],
  flops: ["FLOPs", (value) => short(value)],
};
const MOST_CELLS = 600;
const LEAST_AREA = 60;
const CLEAR_AREA = 600;
const MOST_PARTS = 300;

class MapView {
  constructor() {
    this.name = "Sizes";
    this.measure = "params";
    this.top = ROOT;
    this.element = make("div", { class: "map" });
    const choice = make("div", { class: "choice", role: "radiogroup", "aria-label": "Measure" });
    this.buttons = Object.entries(MEASURES).map(([key, [name]]) => make("button", {
      type: "button", role: "radio", "data-measure": key,
      onclick: () => { this.measure = key; this.draw(); },
    }, name));
    choice.append(...this.buttons);
    this.trail = make("nav", { class: "trail", "aria-label": "Layers above" });
    this.area = make("div", { class: "area" });
    this.element.append(make("div", { class: "map-bar" }, choice, this.trail), this.area);
    this.area.addEventListener("click", (event) => this.click(event));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Backspace") this.up();
    });
    new ResizeObserver(() => requestAnimationFrame(() => this.shown())).observe(this.area);
  }

  shown() {
    const { clientWidth, clientHeight } = this.area;
    if (clientWidth && `${clientWidth} ${clientHeight}` !== this.drawnSize) this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.area;
    this.drawnSize = `${width} ${height}`;
    this.buttons.forEach((button) => {
      button.setAttribute("aria-checked", String(button.dataset.measure === this.measure));
    });
    this.trail.replaceChildren();
    const above = [];
    for (let node = this.top; node; node = node.parent) above.unshift(node);
    above.forEach((node, at) => {
      if (at) this.trail.append(" › ");
      this.trail.append(make("button", { class: "link", type: "button",
        "aria-current": node === this.top ? "true" : null, onclick: () => this.zoom(node) },
      shown(node === ROOT ? kindOf(ROOT) || DATA.title : node.label, 40)));
    });
    this.trail.append(make("span", { class: "pale" }, ` ${this.valueText(this.top)}`));
    this.cells = [];
    this.count = 0;
    const found = document.createDocumentFragment();
    if (this.top[this.measure]) this.fill(found, this.top, 0, 0, width, height, 0);
    else {
      found.append(make("p", { class: "pale" },
        `${shown(nameOf(this.top), 60)} has no ${MEASURES[this.measure][0].toLowerCase()} in this plan.`));
    }
    this.area.replaceChildren(found);
    this.mark();
  }

  valueText(node) {
    const value = node[this.measure];
    return `${MEASURES[this.measure][1](value)} (${share(value, ROOT[this.measure])})`;
  }

  /* Draw what is within a node into a rectangle. */
  fill(into, node, x, y, width, height, depth) {
    const parts = node.children.filter((child) => child[this.measure] > 0)
      .map((child) => ({ node: child, value: child[this.measure] }));
    const own = node[this.measure] - parts.reduce((sum, part) => sum + part.value, 0);
    if (own > 0 && parts.length) parts.push({ node, value: own, isOwn: true });
    else if (!parts.length) parts.push({ node, value: own, isOwn: true });
    parts.sort((a, b) => b.value - a.value);
    for (const part of squarified(this.merged(node, parts, width * height), x, y, width, height)) {
      if (part.width < 3 || part.height < 3 || this.count >= MOST_CELLS) continue;
      this.count += 1;
      into.append(this.cell(part));
      const isGroup = !part.isOwn && part.node.children.some((one) => one[this.measure] > 0);
      part.element.classList.toggle("group", isGroup);
      if (isGroup && !part.node.real && depth < 3 && part.width > 46 && part.height > 50) {
        part.element.classList.add("opened");
        this.fill(into, part.node, part.x + 3, part.y + 20, part.width - 6, part.height - 23, depth + 1);
      }
    }
  }

  /* The parts, with those that are too many or too small to draw as one. */
  merged(node, parts, area) {
    const total = parts.reduce((sum, part) => sum + part.value, 0);
    const least = parts.length > MOST_PARTS ? CLEAR_AREA : LEAST_AREA;
    const kept = parts.findIndex((part, at) => at >= MOST_PARTS || (part.value / total) * area < least);
    if (kept < 0 || parts.length - kept < 2) return parts;
    const others = parts.slice(kept);
    const step = others.length > MOST_PARTS ? Math.ceil(others.length / 100) : others.length;
    const groups = [];
    for (let at = 0; at < others.length; at += step) {
      groups.push(this.group(node, others.slice(at, at + step), step < others.length));
    }
    return [...parts.slice(0, kept), ...groups].sort((a, b) => b.value - a.value);
  }

  group(node, parts, isRange) {
    const group = {
      label: isRange ? `${parts[0].node.label} … ${parts.at(-1).node.label}`
        : `${grouped(parts.length)} smaller`,
      path: node.path, parent: node, weights: [],
      real: node.real ?? node,
      params: 0, bytes: 0, flops: 0,
      children: parts.filter((part) => !part.isOwn).map((part) => part.node),
    };
    group[this.measure] = parts.reduce((sum, part) => sum + part.value, 0);
    return { node: group, value: group[this.measure] };
  }

  cell(part) {
    const { node, x, y, width, height } = part;
    const isOwn = part.isOwn && node.children.length;
    const name = isOwn ? "own weights" : node.label || nameOf(node);
    const value = `${MEASURES[this.measure][1](part.value)} (${share(part.value, ROOT[this.measure])})`;
    const text = `${shown(nameOf(node), 200)}${isOwn || node.real ? `, ${name}` : ""}: ${value}`;
    const element = make("button", { class: "cell", type: "button", title: text, "aria-label": text });
    element.style.cssText = `left:${x}px;top:${y}px;width:${width}px;height:${height}px`;
    element.style.setProperty("--hue", hueOf(kindOf(node)));
    if (node.real) element.classList.add("others");
    element.dataset.at = this.cells.length;
    if (width > 34 && height > 15) {
      const caption = make("span", { class: "caption" }, make("b", {}, shown(name, 40)));
      if (width > 110) caption.append(make("span", {}, ` ${value}`));
      element.append(caption);
    }
    part.element = element;
    this.cells.push({ element, node });
    return element;
  }

  click(event) {
    const element = event.target.closest(".cell");
    if (!element) return;
    const { node } = this.cells[element.dataset.at];
    page.select(node.real ?? node, this);
    if (node !== this.top && node.children.some((one) => one[this.measure] > 0)) this.zoom(node);
    else this.mark();
  }

  zoom(node) {
    this.top = node;
    this.draw();
    page.select(node.real ?? node, this);
    (this.area.querySelector(".cell") ?? this.buttons[0]).focus({ preventScroll: true });
  }

  up() {
    if (!this.top.parent) return false;
    this.zoom(this.top.parent);
    return true;
  }

  selected() {
    this.mark();
  }

  /* Mark the chosen layer, and the layers that a highlighted dim goes through. */
  mark() {
    const dim = hovered >= 0 ? hovered : pinned;
    const exact = new Set();
    const above = new Set();
    for (const place of dim >= 0 ? placesOf(dim) : []) {
      const node = nodeOfPlace(place);
      exact.add(node);
      for (let at = node; at && !above.has(at); at = at.parent) above.add(at);
    }
    for (const { element, node } of this.cells ?? []) {
      const isOpened = element.classList.contains("opened");
      const isLit = node.real ? node.children.some((child) => above.has(child))
        : (isOpened ? exact : above).has(node);
      element.classList.toggle("lit", isLit);
      element.classList.toggle("chosen", node === page.selected);
    }
  }
}

/* A hue for each class, the same on every page. */
function hueOf(kind) {
  let hash = 7;
  for (let at = 0; at < kind.length && at < 100; at++) hash = (hash * 31 + kind.charCodeAt(at)) >>> 0;
  return ((hash % 24) * 15) % 360;
}

/* Rectangles with areas in proportion to values, as square as can be (Bruls et al., 2000). */
function squarified(parts, x, y, width, height) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const scale = total ? (width * height) / total : 0;
  for (let start = 0; start < parts.length;) {
    const side = Math.min(width, height);
    let end = start;
    let sum = 0;
    let worst = Infinity;
    while (end < parts.length) {
      const next = sum + parts[end].value * scale;
      const most = parts[start].value * scale;
      const least = parts[end].value * scale;
      const ratio = Math.max((side * side * most) / (next * next), (next * next) / (side * side * least));
      if (ratio > worst) break;
      worst = ratio;
      sum = next;
      end += 1;
    }
    if (end === start) break;  // no room
    const thick = side ? sum / side : 0;
    let at = 0;
    for (const part of parts.slice(start, end)) {
      const long = thick ? (part.value * scale) / thick : 0;
      Object.assign(part, width < height
        ? { x: x + at, y, width: long, height: thick } : { x, y: y + at, width: thick, height: long });
      at += long;
    }
    if (width < height) [y, height] = [y + thick, height - thick];
    else [x, width] = [x + thick, width - thick];
    start = end;
  }
  return parts.filter((part) => part.width >= 0);
}
