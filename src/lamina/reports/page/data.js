/* The plan: layers as a tree of nodes, their weights and calls, and the places of each dim. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const shared = (at) => (at < 0 ? "" : DATA.shared[at]);

const variables = DATA.variables.map((row, index) => ({
  index, path: row[0], owner: row[1], layer: shared(row[2]), shape: row[3], dtype: shared(row[4]),
  initializer: shared(row[5]), trainable: Boolean(row[6] & 1), isWeight: Boolean(row[6] & 2),
  bytes: row[7], at: shared(row[8]), stacked: row[9], why: shared(row[10]), dims: row[11],
  size: row[3].reduce((product, size) => product * size, 1),
}));

const calls = DATA.calls.map((row, index) => ({
  index, path: row[0], layer: shared(row[1]), method: shared(row[2]), inputs: shared(row[3]),
  outputs: shared(row[4]), at: shared(row[5]), caller: row[6] < index ? row[6] : -1, sources: row[7], results: row[8],
  flops: row[9], inputDims: row[10], outputDims: row[11], inner: [],
}));
const copies = new Map(DATA.layers.map((row) => [row[0], row[7]]));
const rootCalls = [];
for (const call of calls) {
  const caller = calls[call.caller];
  call.times = (caller?.times ?? 1) * (copies.get(call.path) ?? 1);  // for all copies
  call.work = (call.flops ?? 0) * call.times;
  call.own = call.work;
  if (!caller) rootCalls.push(call);
  else {
    caller.inner.push(call);
    caller.own -= call.work;
  }
}
const isExamined = calls.some((call) => call.flops !== null);

const nodes = new Map();  // by path
const ROOT = addNode("", null);
const unused = new Set(DATA.unused);

function addNode(path, parent, extra) {
  const node = {
    path, parent, label: path, layer: null, children: [], weights: [], calls: [], also: [],
    alias: "", open: false, depth: 0, params: 0, bytes: 0, flops: 0, total: 0, ...extra,
  };
  if (parent) {
    node.label = parent.path ? path.slice(parent.path.length + 1) : path;
    node.depth = parent.depth + 1;
    parent.children.push(node);
  }
  nodes.set(path, node);
  return node;
}

const DEEPEST = 200;

/* The first paths above a path, the shortest first. */
function pathsAbove(path) {
  const found = [];
  for (let at = path.indexOf("."); at >= 0 && found.length < DEEPEST; at = path.indexOf(".", at + 1)) {
    found.push(path.slice(0, at));
  }
  return found;
}

/* The node of a path; nodes of the lists and dicts on the way are made. */
function nodeAt(path) {
  const known = nodes.get(path);
  if (known) return known;
  let node = ROOT;
  for (const part of pathsAbove(path)) node = nodes.get(part) ?? addNode(part, node);
  return addNode(path, node);
}

for (const row of DATA.layers) {
  const node = nodeAt(row[0]);
  node.layer = {
    kind: shared(row[1]), name: row[2], madeAt: shared(row[3]), definedAt: shared(row[4]),
    builtAt: shared(row[5]), trainable: Boolean(row[6] & 1), declares: Boolean(row[6] & 2),
    outside: Boolean(row[6] & 4), copies: row[7], method: shared(row[8]),
    inputs: shared(row[9]), outputs: shared(row[10]), needs: row[11] === null ? null : shared(row[11]),
  };
}
for (const variable of variables) {
  const cut = variable.path.lastIndexOf(".");
  const owned = variable.owner || nodes.get("")?.layer || DATA.layers.length;
  const owner = nodeAt(owned ? variable.owner : variable.path.slice(0, Math.max(cut, 0)));
  owner.weights.push(variable);
  variable.node = owner;
  variable.label = owner.path && variable.path.startsWith(owner.path + ".")
    ? variable.path.slice(owner.path.length + 1) : variable.path;
}
const byPath = new Map(variables.map((variable) => [variable.path, variable]));
const aliases = new Map(DATA.aliases);
for (const [path, first] of DATA.aliases) {
  const cut = path.lastIndexOf(".");
  if (pathsAbove(path).some((above) => aliases.has(above))) continue;  // within a shared layer
  const variable = byPath.get(first);
  const target = variable ?? nodes.get(first);
  if (target) (target.also ??= []).push(path);
  if (variable) {
    const holder = nodeAt(path.slice(0, Math.max(cut, 0)));
    (holder.links ??= []).push({ path, first, label: path.slice(cut + 1), node: holder, variable });
  } else if (!nodes.has(path)) {
    nodeAt(path).alias = first;
  }
}
for (const name of DATA.external) {
  const node = addNode(`\u0000${name}`, null);
  Object.assign(node, { label: name, path: name, parent: ROOT, depth: 1, isExternal: true });
  ROOT.children.push(node);
}
for (const call of calls) (nodes.get(call.path) ?? externalNode(call)).calls.push(call);

/* The node of a call of a layer outside of the tree; its path is "<Class>.path". */
function externalNode(call) {
  const [top] = call.path.split(".", 1);
  const kind = `${top.slice(1, -1)} `;
  let node = ROOT.children.find((one) => one.isExternal && one.label.startsWith(kind));
  if (!node) {
    node = addNode(`\u0000${top}`, ROOT);
    Object.assign(node, { label: top, path: top, isExternal: true });
  }
  const inside = call.path.slice(top.length + 1);
  if (!inside) nodes.set(call.path, node);
  else {
    node = addNode(call.path, node);
    node.label = inside;
  }
  return node;
}

/* Sums over the tree, from the leaves up. */
const order = [];
for (const stack = [ROOT]; stack.length;) {
  const node = stack.pop();
  order.push(node);
  for (let at = node.children.length - 1; at >= 0; at--) stack.push(node.children[at]);
}
order.forEach((node, index) => { node.order = index; });
for (let at = order.length - 1; at >= 0; at--) {
  const node = order[at];
  for (const variable of node.weights) {
    if (variable.isWeight) node.params += variable.size;
    if (variable.isWeight) node.bytes += variable.bytes;
  }
  for (const call of node.calls) {
    node.flops += Math.max(call.own, 0);
    if (calls[call.caller]?.path !== node.path) node.total += call.work;
  }
  if (!node.calls.length) node.total = node.children.reduce((sum, one) => sum + one.total, 0);
  for (const child of node.children) {
    node.params += child.params;
    node.bytes += child.bytes;
    node.flops += child.flops;
  }
}
const FLOPS = rootCalls.reduce((sum, call) => sum + call.work, 0);

function kindOf(node) {
  if (node.layer) return node.layer.kind;
  if (node.real) return "";
  if (node.alias) return nodes.get(node.alias)?.layer?.kind ?? "";
  return node.weights[0]?.layer || node.calls[0]?.layer || "";
}

/* The marks of a node: [name, kind, explanation]. */
function marksOf(node) {
  const found = [];
  const add = (...mark) => found.push(mark);
  if (node.alias) add("shared", "tie", `the same layer as ${node.alias}`);
  if (node.also.length) add("shared", "tie", `also at ${node.also.join(", ")}`);
  if (node.isExternal) add("external", "note", "a frozen model outside of the tree");
  if (unused.has(node.path) && node.layer) add("unused", "warn", "no call reached it");
  const layer = node.layer;
  if (!layer) return found;
  if (!layer.trainable) add("frozen", "cold", "training does not update it");
  if (layer.declares && !layer.builtAt && !node.calls.length && !node.weights.length) {
    add("not built", "warn", "its weights do not exist yet");
  }
  if (node.calls.length > 1) add(`${node.calls.length} calls`, "note", "it is called several times");
  if (layer.copies > 1) add(`${layer.copies} copies`, "note", "it stands for several equal layers");
  if (layer.outside) add("before programs", "note", "it is called on data before programs");
  return found;
}

function marksOfWeight(variable) {
  const found = [];
  if (variable.also?.length) found.push(["shared", "tie", `also at ${variable.also.join(", ")}`]);
  if (!variable.isWeight) found.push(["state", "note", "it does not count as a weight"]);
  else if (!variable.trainable) found.push(["frozen", "cold", "training does not update it"]);
  const change = changes.get(variable.path);
  if (change) found.push([change[0], "note", "compared with the other plan"]);
  return found;
}
const changes = new Map((DATA.changes ?? []).map((change) => [change[1], change]));

/* Dims. A place is {variable | call, side, array, axis}. */
let dimPlaces = null;

function placesOf(dim) {
  if (!dimPlaces) {
    dimPlaces = new Map();
    const add = (found, place) => {
      if (found < 0) return;
      const places = dimPlaces.get(found);
      if (places) places.push(place);
      else dimPlaces.set(found, [place]);
    };
    for (const variable of variables) {
      variable.dims.forEach((found, axis) => add(found, { variable, axis }));
    }
    for (const call of calls) {
      for (const side of ["inputDims", "outputDims"]) {
        call[side].forEach((dims, array) => dims.forEach(
          (found, axis) => add(found, { call, side, array, axis })));
      }
    }
  }
  return dimPlaces.get(dim) ?? [];
}

const nodeOfPlace = (place) => place.variable?.node ?? nodes.get(place.call.path);
