/* The details of the chosen layer, and the list of the places of a dim. */

function siteElement(site) {
  const parts = site.split("/");
  const element = make("span", { class: "site", title: shown(site, 400) },
    shown(parts.slice(-2).join("/"), 80));
  return element;
}

function nodeLink(node, text) {
  return make("button", { class: "link", type: "button", title: shown(node.path, 300),
    onclick: () => page.select(node) }, shown(text ?? nameOf(node), 60));
}

const nameOf = (node) => node.path || kindOf(node) || "the root";

function callerElement(call) {
  const caller = calls[call.caller];
  const node = caller && nodes.get(caller.path);
  if (!node) return caller ? shown(caller.path, 60) : "you";
  return nodeLink(node);
}

function detailsOf(node) {
  const found = document.createDocumentFragment();
  found.append(make("h2", {}, longText(node.label || kindOf(node) || DATA.title, 60)));
  if (node.path) found.append(make("p", { class: "path" }, longText(node.path)));
  const marks = marksOf(node);
  if (marks.length) {
    found.append(make("ul", { class: "marks" }, ...marks.map((mark) => make("li", {},
      ...markElements([mark]), " ", longText(mark[2], 160)))));
  }
  if (node.alias && nodes.has(node.alias)) {
    found.append(make("p", {}, "Its weights are listed at ", nodeLink(nodes.get(node.alias)), "."));
  }
  found.append(facts(node));
  if (node.weights.length) found.append(make("h3", {}, "Weights"), ...node.weights.slice(0, 200).map(weightElement));
  const links = node.links ?? [];
  for (const link of links) {
    found.append(make("p", {}, make("b", {}, shown(link.label)), " is ",
      nodeLink(link.variable.node, link.first), "."));
  }
  if (node.calls.length) {
    found.append(make("h3", {}, node.calls.length === 1 ? "Call" : `Calls (${node.calls.length})`));
    found.append(...node.calls.slice(0, 20).map(callElement));
    if (node.calls.length > 20) found.append(make("p", { class: "pale" }, `and ${node.calls.length - 20} more`));
  }
  return found;
}

function facts(node) {
  const list = make("dl");
  const add = (name, ...values) => list.append(make("dt", {}, name), make("dd", {}, ...values));
  const layer = node.layer;
  if (kindOf(node)) add("Class", longText(kindOf(node)));
  if (layer?.name) add("Name", longText(layer.name));
  if (layer?.madeAt) add("Created at", siteElement(layer.madeAt));
  if (layer?.definedAt) add("Defined at", siteElement(layer.definedAt));
  if (layer?.builtAt) add("Built at", siteElement(layer.builtAt));
  if (layer?.needs) add("Inputs", longText(layer.needs));
  if (node.params) {
    add("Parameters", `${grouped(node.params)} (${share(node.params, ROOT.params)})`);
    add("Memory", `${bytesText(node.bytes)} (${share(node.bytes, ROOT.bytes)})`);
  }
  if (node.total) add("FLOPs", `${short(node.total)} (${share(node.total, FLOPS)})`);
  return list;
}

function weightElement(variable) {
  const why = make("ul", { class: "axes" });
  variable.shape.forEach((size, axis) => {
    if (variable.why[axis] === undefined) return;
    why.append(make("li", {}, dimElement(size, variable.dims[axis], true), " = ",
      longText(variable.why[axis], 100)));
  });
  return make("div", { class: "card" },
    make("div", {}, make("b", {}, longText(variable.label, 60)), " ",
      make("span", { class: "pale" }, shown(variable.dtype, 30)), " ",
      shapeElement(variable.shape, variable.dims, true), ...markElements(marksOfWeight(variable))),
    why,
    make("div", { class: "pale" }, longText(variable.initializer, 60), " · declared at ",
      siteElement(variable.at)));
}

function callElement(call) {
  const where = make("div", {}, make("span", { class: "order" }, `${call.index + 1}`), " ",
    call.method === "call" ? "" : `${shown(call.method, 40)} `, "called by ", callerElement(call),
    " at ", siteElement(call.at));
  const specs = make("div", {}, specsElement(call.inputs, call.inputDims, true), " → ",
    specsElement(call.outputs, call.outputDims, true));
  const card = make("div", { class: "card" }, where, specs);
  const sources = call.sources.map((at) => calls[at]).filter(Boolean);
  if (sources.length) {
    const texts = sources.slice(0, 12).flatMap((source, at) => [
      at ? ", " : "", source.index === call.caller ? "the caller's inputs"
        : nodes.has(source.path) ? nodeLink(nodes.get(source.path)) : shown(source.path, 40)]);
    if (sources.length > 12) texts.push(`, ${sources.length - 12} more`);
    card.append(make("div", { class: "pale" }, "data from ", ...texts));
  }
  if (call.flops) {
    card.append(make("div", { class: "pale" }, `${short(call.flops)} FLOPs${call.times > 1 ? ` × ${grouped(call.times)} copies` : ""} (${share(call.work, FLOPS)})`));
  }
  return card;
}

/* The list of the places of a dim, in the order of the tree and of the calls. */
function placesElement(dim, size) {
  const places = placesOf(dim);
  const list = make("ul", { class: "places" });
  const more = make("button", { class: "more", type: "button" }, "show more");
  let drawn = 0;
  const add = () => {
    for (const place of places.slice(drawn, drawn + 100)) list.append(placeElement(place));
    drawn = Math.min(places.length, drawn + 100);
    more.hidden = drawn === places.length;
  };
  more.addEventListener("click", add);
  add();
  const title = make("h3", {}, "Dim ", make("span", { class: "dim lit" }, size),
    ` · ${counted(places.length, "place")}`);
  if (pinned >= 0) {
    title.append(" ", make("button", { class: "more", type: "button", onclick: () => page.pin(-1) },
      "release"));
  }
  return [title, list, more];
}

function placeElement(place) {
  const node = nodeOfPlace(place);
  const path = place.variable?.path ?? (place.call.path || place.call.layer);
  const what = place.variable ? `axis ${place.axis}`
    : `${place.side === "inputDims" ? "input" : "output"}${place.array ? ` ${place.array}` : ""}, axis ${place.axis}`;
  return make("li", {}, node ? nodeLink(node, path) : shown(path, 60), " ",
    make("span", { class: "pale" }, what));
}
