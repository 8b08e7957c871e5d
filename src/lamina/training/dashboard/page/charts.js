"use strict";

// Drawing: numbers as text, scales, and a chart of curves as SVG. It knows nothing of runs.

const SVG = "http://www.w3.org/2000/svg";
const make = (name, text, className) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
};
const draw = (name, attributes = {}, text) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

function number(value, digits = 4) {
  if (typeof value !== "number") return value ?? "";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value.toExponential(digits - 2).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(size + 1))))));
}

function duration(seconds) {
  if (typeof seconds !== "number") return "";
  const rest = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(rest / 86400), Math.floor(rest / 3600) % 24];
  const minutes = Math.floor(rest / 60) % 60;
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${rest % 60} s` : `${rest} s`;
}

const LARGEST = 8e307; // so that the difference of two numbers is finite
const axisText = { step: number, epoch: number, time: duration };

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= rough * 0.999);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high * (1 + 1e-12) + step * 1e-9; at++) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

function timeTicks(low, high, count) {
  const rough = (high - low) / count;
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200];
  const step = steps.find((one) => one >= rough);
  if (!step || rough < 1) return ticks(low, high, count);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(at);
  return found;
}

function logTicks(low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / 6));
  const found = [];
  for (let power = first; power <= last; power++) {
    if ((power - first) % every) continue;
    for (const one of last - first <= 2 ? [1, 2, 5] : [1]) {
      const value = Number(`${one}e${power}`);
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found.length > 1 ? found : [low, high];
}

// Exponential moving average, corrected for its beginning.
function smoothed(values, weight) {
  let [sum, total] = [0, 0];
  return values.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

// A chart in a figure. `show` draws it; the pointer or the arrow keys move the cursor.
class Chart {
  constructor(title) {
    this.figure = make("figure");
    const caption = this.figure.appendChild(make("figcaption"));
    caption.append(make("h3", title));
    this.leftOut = caption.appendChild(make("span", "", "left-out"));
    const widen = caption.appendChild(make("button", "enlarge"));
    widen.type = "button";
    widen.setAttribute("aria-pressed", "false");
    widen.addEventListener("click", () => {
      const wide = this.figure.classList.toggle("wide");
      widen.setAttribute("aria-pressed", wide);
      widen.textContent = wide ? "reduce" : "enlarge";
      this.redraw();
    });
    this.svg = this.figure.appendChild(draw("svg", { tabindex: 0, role: "img" }));
    this.svg.setAttribute("aria-label", `${title}; the arrow keys move the cursor`);
    this.tip = this.figure.appendChild(make("div", undefined, "tip"));
    this.tip.setAttribute("role", "status");
    this.tip.hidden = true;
    this.at = null;
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.point(this.fromPixel(event.clientX - box.left));
    });
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.redraw()).observe(this.figure);
  }

  show(series, axis, log, smoothing) {
    Object.assign(this, { series, axis, log, smoothing });
    this.width = 0;
    this.redraw();
  }

  redraw() {
    const width = Math.round(this.figure.clientWidth - 26);
    const height = this.figure.classList.contains("wide") ? 420 : 220;
    if (!this.series || width < 60 || (width === this.width && height === this.height)) return;
    Object.assign(this, { width, height });
    this.prepare();
    const { svg } = this;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren(this.grid(), ...this.lines.flatMap((line) => this.drawn(line)));
    this.cursor = svg.appendChild(draw("g", { class: "cursor" }));
    this.point(this.at);
  }

  // Select the points that can be drawn, and find the scales.
  prepare() {
    let [left, right, low, high, leftOut] = [Infinity, -Infinity, Infinity, -Infinity, 0];
    this.lines = this.series.map((one) => {
      const { x, y, low: below = y, high: above = y } = one.points;
      leftOut += one.points.nonfinite ?? 0;
      const kept = [...y.keys()].filter((i) => !this.log || y[i] > 0);
      const line = { ...one, x: kept.map((i) => x[i]), raw: kept.map((i) => y[i]) };
      leftOut += y.length - kept.length;
      line.below = kept.map((i) => (this.log && below[i] <= 0 ? y[i] : below[i]));
      line.above = kept.map((i) => above[i]);
      line.y = this.smoothing ? smoothed(line.raw, this.smoothing) : line.raw;
      for (let i = 0; i < kept.length; i++) {
        left = Math.min(left, line.x[i]);
        right = Math.max(right, line.x[i]);
        low = Math.min(low, line.below[i]);
        high = Math.max(high, line.above[i]);
      }
      return line;
    });
    this.leftOut.textContent = leftOut ? `${number(leftOut)} not ${this.log ? "positive or not " : ""}finite, left out` : "";
    [low, high] = [Math.max(low, -LARGEST), Math.min(high, LARGEST)];
    if (left > right) [left, right, low, high] = [0, 1, this.log ? 0.1 : 0, 1];
    if (left === right) [left, right] = [left - 0.5, right + 0.5];
    if (this.log && low === high) [low, high] = [low / 2, high * 2];
    if (!this.log) {
      const room = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
      [low, high] = [low - room, high + room];
    }
    Object.assign(this, { left, right, low, high });
    this.marks = this.log ? logTicks(low, high) : ticks(low, high, this.height / 48);
    this.labels = this.marks.map((one) => number(one));
    this.start = 14 + 6.6 * Math.max(2, ...this.labels.map((one) => one.length));
    const across = axisText[this.axis];
    this.xMarks = (this.axis === "time" ? timeTicks : ticks)(left, right, this.width / 95);
    this.xLabels = this.xMarks.map((one) => across(one));
  }

  toX(x) {
    return this.start + ((x - this.left) / (this.right - this.left)) * (this.width - this.start - 14);
  }

  fromPixel(pixel) {
    const share = (pixel - this.start) / (this.width - this.start - 14);
    return this.left + Math.min(1, Math.max(0, share)) * (this.right - this.left);
  }

  toY(y) {
    const scale = this.log ? Math.log : (one) => one;
    const kept = Math.max(-LARGEST, Math.min(LARGEST, y));
    const share = (scale(kept) - scale(this.low)) / (scale(this.high) - scale(this.low));
    return this.height - 24 - share * (this.height - 34);
  }

  grid() {
    const group = draw("g");
    const [lines, texts] = [draw("g", { class: "grid" }), draw("g", { class: "ticks" })];
    group.append(lines, texts);
    this.marks.forEach((one, i) => {
      const y = this.toY(one).toFixed(1);
      lines.append(draw("line", { x1: this.start, x2: this.width - 14, y1: y, y2: y }));
      texts.append(draw("text", { x: this.start - 7, y: Number(y) + 4, "text-anchor": "end" },
        this.labels[i]));
    });
    this.xMarks.forEach((one, i) => {
      texts.append(draw("text", { x: this.toX(one).toFixed(1), y: this.height - 6,
        "text-anchor": "middle" }, this.xLabels[i]));
    });
    return group;
  }

  path(xs, ys) {
    return xs.map((x, i) => `${i ? "L" : "M"}${this.toX(x).toFixed(1)} ${this.toY(ys[i]).toFixed(1)}`)
      .join("");
  }

  drawn(line) {
    if (!line.x.length) return [];
    const found = [];
    if (line.points.low) {
      const back = this.path([...line.x].reverse(), [...line.below].reverse());
      const d = `${this.path(line.x, line.above)}L${back.slice(1)}Z`;
      found.push(draw("path", { class: `band ${line.colour}`, d }));
    } else if (this.smoothing) {
      found.push(draw("path", { class: `curve raw ${line.kind} ${line.colour}`,
        d: this.path(line.x, line.raw) }));
    }
    const d = this.path(line.x, line.y);
    found.push(draw("path", { class: `curve ${line.kind} ${line.colour}`, d }));
    if (line.x.length === 1 || (line.kind !== "step" && line.x.length <= 60)) {
      line.x.forEach((x, i) => found.push(draw("circle", { class: `${line.kind} ${line.colour}`,
        cx: this.toX(x).toFixed(1), cy: this.toY(line.y[i]).toFixed(1),
        r: line.x.length > 30 ? 2 : 3 })));
    }
    return found;
  }

  // Show the values at a place of the horizontal axis, or none for null.
  point(at) {
    this.at = at;
    this.tip.hidden = at === null;
    this.cursor?.replaceChildren();
    if (at === null || !this.lines) return;
    const near = this.lines.filter((line) => line.x.length)
      .map((line) => ({ line, i: nearest(line.x, at) }));
    if (!near.length) {
      this.tip.hidden = true;
      return;
    }
    const best = near.reduce((a, b) =>
      Math.abs(a.line.x[a.i] - at) <= Math.abs(b.line.x[b.i] - at) ? a : b);
    const x = best.line.x[best.i];
    const reach = (this.right - this.left) * 0.04;
    const pixel = this.toX(x);
    this.cursor.append(draw("line", { x1: pixel, x2: pixel, y1: 10, y2: this.height - 24 }));
    const rows = [make("div", `${this.axis} ${axisText[this.axis](x)}`)];
    for (const { line, i } of near) {
      if (Math.abs(line.x[i] - x) > reach) continue;
      this.cursor.append(draw("circle", { class: `${line.kind} ${line.colour}`,
        cx: this.toX(line.x[i]), cy: this.toY(line.y[i]), r: 4 }));
      const row = make("div");
      row.append(make("span", undefined, `swatch ${line.colour}`), make("span", line.label, "what"),
        make("b", number(line.raw[i], 5)));
      rows.push(row);
    }
    this.tip.replaceChildren(...rows);
    const [room, size] = [this.figure.clientWidth, this.tip.offsetWidth];
    const left = pixel > this.width / 2 ? pixel - size : pixel + 26; // 13 beside the cursor
    this.tip.style.left = `${Math.max(4, Math.min(left, room - size - 4))}px`;
  }

  key(event) {
    const longest = this.lines.reduce((a, b) => (a.x.length >= b.x.length ? a : b), { x: [] }).x;
    if (!longest.length) return;
    const last = longest.length - 1;
    const now = this.at === null ? last : nearest(longest, this.at);
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: this.at === null ? last : now - step, ArrowRight: now + step,
      Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.point(null);
    if (to === undefined) return;
    event.preventDefault();
    this.point(longest[Math.min(last, Math.max(0, to))]);
  }
}

function nearest(sorted, at) {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < at) low = middle;
    else high = middle;
  }
  return Math.abs(sorted[low] - at) <= Math.abs(sorted[high] - at) ? low : high;
}
