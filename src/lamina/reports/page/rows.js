/* Elements, text that is safe to show, dims, and lists that draw only the rows in view. */

/* The dims that are highlighted: one was clicked, one is under the pointer. */
let pinned = -1;
let hovered = -1;

/* Controls, marks of direction, and other characters that are not seen. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|[\u{e0000}-\u{e0fff}]/gu;
const PLAIN = /^[ -~]*$/;
const NUMBERS = new Intl.NumberFormat("en-US");
const grouped = (number) => NUMBERS.format(number);
const counted = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;
const code = (found) => `\\u${found.codePointAt(0).toString(16).padStart(4, "0")}`;

/* Text as it is shown: short in the middle, with escapes in place of unseen characters. */
function shown(value, limit = 120) {
  let text = String(value);
  if (text.length > limit) {
    const half = Math.floor(limit / 2);
    text = `${text.slice(0, half)}…${text.slice(text.length - half)}`;
  }
  return PLAIN.test(text) ? text : text.replace(UNSEEN, code);
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/* A text, and a button that shows all of it if it is long. */
function longText(value, limit = 120) {
  const text = String(value);
  const element = make("span", { class: "text" }, shown(text, limit));
  if (text.length <= limit) return element;
  const button = make("button", { class: "more", type: "button" },
    `all ${grouped(text.length)} characters`);
  button.addEventListener("click", () => {
    element.textContent = text.slice(0, 1e6).replace(UNSEEN, code);
    element.classList.add("whole");
    button.remove();
  });
  return make("span", {}, element, " ", button);
}

const PREFIXES = ["", "k", "M", "G", "T", "P", "E"];

function short(number, unit = "", step = 1000) {
  let at = 0;
  while (number >= step && at < PREFIXES.length - 1) {
    number /= step;
    at += 1;
  }
  const digits = at && number < 10 ? 2 : at && number < 100 ? 1 : 0;
  const prefix = step === 1024 && at ? `${PREFIXES[at].toUpperCase()}i` : PREFIXES[at];
  const gap = unit ? "\u00a0" : "";
  return `${number.toFixed(digits)}${gap}${prefix}${unit}`;
}
const bytesText = (number) => short(number, "B", 1024);
const share = (part, whole) => {
  const percent = whole ? (100 * part) / whole : 0;
  return percent && percent < 0.1 ? "<0.1%" : `${percent.toFixed(percent < 9.95 ? 1 : 0)}%`;
};

const sizeText = (size) => (size === null ? "?" : shown(size, 24));

/* A dim: hovering over it highlights its places; in the details, it can have the focus. */
function dimElement(size, dim, focusable) {
  const text = sizeText(size);
  if (dim === undefined || dim < 0) return make("span", {}, text);
  const element = make(focusable ? "button" : "span", { class: "dim", "data-dim": dim }, text);
  if (focusable) element.type = "button";
  element.dataset.size = text;
  if (dim === pinned || dim === hovered) element.classList.add("lit");
  return element;
}

function shapeElement(shape, dims, focusable) {
  const element = make("span", { class: "shape" }, "(");
  shape.forEach((size, axis) => {
    if (axis) element.append(", ");
    element.append(dimElement(size, dims?.[axis], focusable));
  });
  element.append(shape.length === 1 ? ",)" : ")");
  return element;
}

/* The specs of a list [[name, dtype, shape], ...]; texts stand between them. */
function specsElement(specs, dims, focusable, limit = 6) {
  const element = make("span", { class: "specs" });
  let array = 0;
  const count = specs.filter((one) => one.length > 2).length;
  specs.slice(0, limit).forEach((one, at) => {
    if (at) element.append(", ");
    if (one[0]) element.append(make("span", { class: "pale" }, `${shown(one[0], 30)}: `));
    if (one.length < 3) element.append(shown(one[1], 30));
    else {
      element.append(make("span", { class: "pale" }, `${shown(one[1], 20)} `),
        shapeElement(one[2], dims?.length === count ? dims[array] : undefined, focusable));
      array += 1;
    }
  });
  if (specs.length > limit) element.append(`, … ${specs.length - limit} more`);
  return element;
}

function markElements(marks) {
  return marks.map(([name, kind, title]) =>
    make("span", { class: `mark ${kind}`, title: shown(title, 300) }, name));
}

/* A list of rows of one height, which draws those in view. `draw(row, index)` makes a row. */
class Rows {
  constructor(scroller, height, draw) {
    this.scroller = scroller;
    this.height = height;
    this.draw = draw;
    this.rows = [];
    this.drawn = new Map();
    this.all = false;
    this.body = make("div", { class: "rows", role: "presentation" });
    scroller.append(this.body);
    this.pending = false;
    scroller.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(scroller);
  }

  later() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.update();
    });
  }

  set(rows) {
    this.rows = rows;
    this.body.style.height = `${rows.length * this.height}px`;
    this.clear();
    this.update();
  }

  clear() {
    this.body.replaceChildren();
    this.drawn.clear();
  }

  update() {
    const above = this.scroller.scrollTop - this.body.offsetTop;
    const view = this.scroller.clientHeight;
    if (!view && !this.all) return;
    const first = this.all ? 0 : Math.max(0, Math.floor(above / this.height) - 8);
    const last = this.all ? Math.min(this.rows.length, 20000)
      : Math.min(this.rows.length, Math.ceil((above + view) / this.height) + 8);
    for (const [index, element] of this.drawn) {
      if (index < first || index >= last) {
        element.remove();
        this.drawn.delete(index);
      }
    }
    const added = document.createDocumentFragment();
    for (let index = first; index < last; index++) {
      if (this.drawn.has(index)) continue;
      const element = this.draw(this.rows[index], index);
      element.style.transform = `translateY(${index * this.height}px)`;
      this.drawn.set(index, element);
      added.append(element);
    }
    if (added.childNodes.length) this.body.append(added);
  }

  /* Scroll as far as a row needs to be in view. */
  show(index) {
    const top = this.body.offsetTop + index * this.height;
    const head = this.body.offsetTop;
    const { scrollTop, clientHeight } = this.scroller;
    if (top - head < scrollTop) this.scroller.scrollTop = top - head;
    else if (top + this.height > scrollTop + clientHeight) {
      this.scroller.scrollTop = top + this.height - clientHeight;
    }
    this.update();
  }
}
