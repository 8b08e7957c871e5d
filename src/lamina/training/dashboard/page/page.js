"use strict";

// The page: asks the server for runs, and shows them. All text of logs is set as text, never HTML.

const byId = (id) => document.getElementById(id);
const MOST_ROWS = 200;
const settings = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const hidden = new Set(settings.hidden ? settings.hidden.split("\n") : []);
const charts = new Map();
let [data, version, answered] = [null, "", 0];

const colourOf = (index) => `run${index % 8}`;
const shown = () => data.runs.map((run, index) => ({ run, index }))
  .filter(({ run }) => !hidden.has(run.name));

function keep() {
  settings.axis = byId("axis").value;
  settings.smoothing = byId("smoothing").value;
  settings.log = byId("log").checked ? "1" : "";
  settings.hidden = [...hidden].join("\n");
  const kept = Object.entries(settings).filter(([name, value]) => value && value !== "0");
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

// What is written only if it differs, so that a selection or the focus is not lost.
const filled = new Map();
function fill(element, key, build) {
  if (filled.get(element) === key) return;
  filled.set(element, key);
  build();
}

function stateOf(run) {
  if (run.state !== "running") return [run.state || "file", ""];
  const silent = data.now - run.last;
  return silent > 90 ? [`silent for ${duration(silent)}`, "silent"] : ["running", "running"];
}

function showRuns() {
  const body = byId("runs").tBodies[0];
  const names = JSON.stringify(data.runs.map((run) => run.name));
  fill(body, names, () => body.replaceChildren(...data.runs.map((run, index) => {
    const row = make("tr");
    const label = row.appendChild(make("td")).appendChild(make("label"));
    const box = make("input");
    box.type = "checkbox";
    box.checked = !hidden.has(run.name);
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(run.name);
      else hidden.add(run.name);
      keep();
      showAll();
    });
    label.append(box, make("span", undefined, `swatch ${colourOf(index)}`), make("span", run.name),
      make("span", "", "model"));
    for (let i = 0; i < 6; i++) row.append(make("td"));
    return row;
  })));
  data.runs.forEach((run, index) => {
    const row = body.rows[index];
    const [state, kind] = stateOf(run);
    row.querySelector(".model").textContent = run.model ?? "";
    const epoch = typeof run.epoch === "number" ? run.epoch.toFixed(run.epoch % 1 ? 2 : 0) : "";
    const of = run.epochs ? ` / ${number(run.epochs)}` : "";
    const texts = [state, epoch + of, run.step ? number(run.step) : "",
      number(run.rate, 3), duration(run.seconds), duration(run.left)];
    texts.forEach((text, i) => { row.cells[i + 1].textContent = text; });
    row.cells[1].className = kind;
  });
  byId("runs").hidden = data.runs.length === 0;
  byId("empty").hidden = data.runs.length > 0;
}

// The curves of one chart: those of one log and of its validation, of all runs.
function seriesOf(name) {
  const found = [];
  for (const { run, index } of shown()) {
    const colour = colourOf(index);
    const label = (what) => (data.runs.length > 1 ? `${run.name}, ${what}` : what);
    const { step, epoch } = run.curves;
    const add = (points, kind, what) => {
      if (points) found.push({ points, kind, colour, label: label(what) });
    };
    add(step[name], "step", "within the epoch");
    add(epoch[name], "epoch", "epoch");
    add(epoch[`val_${name}`], "validation", "validation");
  }
  return found;
}

function chartNames() {
  const names = new Set();
  for (const run of data.runs) {
    for (const name of [...Object.keys(run.curves.step), ...Object.keys(run.curves.epoch)]) {
      names.add(name.replace(/^val_/, ""));
    }
  }
  const rank = (name) => (name === "loss" ? 0 : name === "learning_rate" ? 2 : 1);
  return [...names].sort((a, b) => rank(a) - rank(b));
}

function showCurves() {
  const names = chartNames();
  for (const name of names) if (!charts.has(name)) charts.set(name, new Chart(name));
  fill(byId("curves"), JSON.stringify(names), () =>
    byId("curves").replaceChildren(...names.map((name) => charts.get(name).figure)));
  const [log, smoothing] = [byId("log").checked, Number(byId("smoothing").value)];
  for (const name of names) charts.get(name).show(seriesOf(name), data.axis, log, smoothing);
}

const magnitude = (row) => row.last.map((one) => (typeof one === "number" ? Math.abs(one) : NaN));

function strip(row, low, high, colour) {
  const svg = draw("svg", { width: 130, height: 14, class: `strip ${colour}` });
  const place = (value) =>
    Math.max(0, Math.min(1, (Math.log10(value) - low) / (high - low || 1))) * 128;
  const [least, most, rms] = magnitude(row);
  if (rms > 0) svg.append(draw("rect", { x: 0, y: 3, height: 8, width: Math.max(1, place(rms)) }));
  const largest = Math.max(least, most);
  if (largest > 0) {
    const x = place(largest);
    svg.append(draw("line", { x1: x, x2: x, y1: 0, y2: 14 }));
  }
  return svg;
}

function spark({ x, y }, low, high, colour) {
  const svg = draw("svg", { width: 90, height: 18, class: colour });
  const points = x.map((_, i) => i).filter((i) => y[i] > 0);
  const span = x.length > 1 ? x[x.length - 1] - x[0] : 0;
  const d = points.map((i, n) => {
    const across = span ? ((x[i] - x[0]) / span) * 86 + 2 : 45;
    const up = 16 - ((Math.log10(y[i]) - low) / (high - low || 1)) * 14;
    return `${n ? "L" : "M"}${across.toFixed(1)} ${up.toFixed(1)}`;
  }).join("");
  if (points.length > 1) svg.append(draw("path", { class: "curve step", d }));
  return svg;
}

function layerTable(title, rows, filter, colour) {
  const pane = make("div", undefined, "pane");
  const matching = rows.filter((row) => row.path.toLowerCase().includes(filter));
  pane.append(make("h3", title));
  const sizes = matching.flatMap(magnitude).filter((one) => one > 0);
  const exponents = sizes.length ? sizes.map(Math.log10) : [0];
  const low = Math.floor(exponents.reduce((a, b) => Math.min(a, b))) - 0.2;
  const high = Math.ceil(exponents.reduce((a, b) => Math.max(a, b)));
  const means = matching.flatMap((row) => row.rms.y).filter((one) => one > 0).map(Math.log10);
  const [least, most] = means.length
    ? [means.reduce((a, b) => Math.min(a, b)), means.reduce((a, b) => Math.max(a, b))] : [0, 1];
  const table = pane.appendChild(make("table"));
  const head = table.createTHead().insertRow();
  const scale = `1e${Math.ceil(low)} to 1e${high}`;
  for (const text of ["layer", "over time", scale, "min", "rms", "max"]) {
    const cell = head.appendChild(make("th", text));
    cell.scope = "col";
  }
  const body = table.createTBody();
  for (const row of matching.slice(0, MOST_ROWS)) {
    const line = body.insertRow();
    line.insertCell().textContent = row.path;
    line.insertCell().append(spark(row.rms, least, most, colour));
    line.insertCell().append(strip(row, low, high, colour));
    const [min, max, rms] = row.last;
    for (const value of [min, rms, max]) {
      const cell = line.insertCell();
      cell.textContent = number(value, 3);
      if (typeof value !== "number") cell.className = "wrong";
    }
  }
  const more = matching.length - MOST_ROWS;
  if (more > 0) pane.append(make("p", `and ${number(more)} more: filter them by path`, "hint"));
  return pane;
}

function showLayers() {
  const runs = shown().filter(({ run }) => Object.keys(run.ranges).length);
  byId("layers").hidden = runs.length === 0;
  if (!runs.length) return;
  const select = byId("layers-run");
  fill(select, JSON.stringify(runs.map(({ run }) => run.name)), () => {
    const before = select.value;
    select.replaceChildren(...runs.map(({ run, index }) => {
      const option = make("option", run.name);
      option.value = index;
      return option;
    }));
    if (runs.some(({ index }) => String(index) === before)) select.value = before;
  });
  const { run, index } = runs.find((one) => String(one.index) === select.value) ?? runs[0];
  const filter = byId("filter").value.toLowerCase();
  const tables = [["gradients", "Gradients"], ["outputs", "Outputs"]]
    .filter(([kind]) => run.ranges[kind]?.length)
    .map(([kind, title]) => layerTable(title, run.ranges[kind], filter, colourOf(index)));
  byId("tables").replaceChildren(...tables);
}

function sampleFigure({ sample, name, index }) {
  const figure = make("figure");
  const caption = figure.appendChild(make("figcaption"));
  const of = data.runs.length > 1 ? `${name}, ` : "";
  const what = sample.name ? `, ${sample.name}` : "";
  caption.append(make("span", undefined, `swatch ${colourOf(index)}`),
    make("span", `${of}epoch ${number(sample.epoch)}${what}`));
  if (sample.png) {
    const image = figure.appendChild(make("img"));
    image.alt = caption.textContent;
    image.src = `data:image/png;base64,${sample.png}`;
  } else {
    figure.append(make("pre", sample.text));
  }
  return figure;
}

function showSamples() {
  const [newest, earlier] = [[], []];
  for (const { run, index } of shown()) {
    const last = run.samples.at(-1)?.epoch;
    for (const sample of run.samples) {
      (sample.epoch === last ? newest : earlier).push({ sample, name: run.name, index });
    }
  }
  earlier.sort((a, b) => b.sample.epoch - a.sample.epoch);
  byId("samples").hidden = newest.length === 0;
  byId("earlier").parentElement.hidden = earlier.length === 0;
  for (const [id, found] of [["newest", newest], ["earlier", earlier]]) {
    fill(byId(id), JSON.stringify(found), () =>
      byId(id).replaceChildren(...found.map(sampleFigure)));
  }
}

function showNotes() {
  const several = data.runs.length > 1;
  const texts = [...data.notes, ...data.runs.flatMap((run) =>
    run.notes.map((note) => (several ? `${run.name}: ${note}` : note)))];
  for (const { run } of shown()) {
    const points = Object.values(run.curves).flatMap(Object.values);
    if (points.length && points.every((one) => one.x.length === 0)) {
      texts.push(`${run.name} has no curves over ${data.axis}s: its file does not hold them.`);
    }
  }
  byId("notes").hidden = texts.length === 0;
  byId("notes").querySelector("ul").replaceChildren(...texts.map((text) => make("li", text)));
}

function showAll() {
  if (!data) return;
  showRuns();
  showCurves();
  showLayers();
  showSamples();
  showNotes();
}

function showStatus(text, isWrong) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", isWrong);
}

async function update() {
  try {
    const axis = byId("axis").value;
    const answer = await fetch(`/runs?axis=${axis}&version=${version}`);
    if (answer.status === 200) {
      const found = await answer.json();
      if (axis !== byId("axis").value) return;
      data = found;
      version = data.version;
      chooseAxis();
      showAll();
    } else if (answer.status !== 204) {
      throw new Error((await answer.json()).error);
    } else if (data) {
      data.now = Date.now() / 1000;
      showRuns();
    }
    answered = Date.now();
    showStatus(`updated ${new Date(answered).toLocaleTimeString()}`, false);
  } catch (error) {
    const known = error instanceof TypeError ? "The server does not answer." : error.message;
    const since = answered ? ` This is from ${new Date(answered).toLocaleTimeString()}.` : "";
    showStatus(`${known}${since}`, true);
  }
}

// Files without steps are shown over epochs, unless the reader has chosen an axis.
function chooseAxis() {
  const hasPoints = (run) => Object.values(run.curves).flatMap(Object.values)
    .some((points) => points.x.length);
  if (settings.axis || byId("axis").value === "epoch" || data.runs.every(hasPoints)) return;
  byId("axis").value = "epoch";
  refresh();
}

function refresh() {
  version = "";
  update();
}

async function poll() {
  await update();
  setTimeout(poll, document.hidden ? 6000 : 2000);
}

if (["step", "epoch", "time"].includes(settings.axis)) byId("axis").value = settings.axis;
byId("smoothing").value = settings.smoothing ?? 0;
byId("log").checked = settings.log === "1";
byId("amount").textContent = byId("smoothing").value;
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("axis").addEventListener("change", () => { keep(); refresh(); });
byId("log").addEventListener("change", () => { keep(); showAll(); });
byId("smoothing").addEventListener("input", () => {
  byId("amount").textContent = byId("smoothing").value;
  keep();
  showAll();
});
byId("layers-run").addEventListener("change", showLayers);
byId("filter").addEventListener("input", showLayers);
poll();
