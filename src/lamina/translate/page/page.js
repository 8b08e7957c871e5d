"use strict";

const byId = (id) => document.getElementById(id);
const make = (name, text) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return element;
};
const bare = (token) => token.replaceAll("\u2581", "") || "\u2423";
const shade = (weight) => `rgb(var(--cell) / ${Math.min(1, Math.max(0, weight)).toFixed(3)})`;

// Tokens as running text, one element per token.
function tokenSpans(tokens) {
  return tokens.flatMap((token, at) => {
    const span = make("span", token.replaceAll("\u2581", ""));
    span.className = "token";
    return token.startsWith("\u2581") && at > 0 ? [document.createTextNode(" "), span] : [span];
  });
}

function showSource(weights, tokens) {
  const spans = tokenSpans(tokens);
  spans.filter((span) => span.className).forEach((span, at) => {
    span.style.background = weights ? shade(weights[at] ?? 0) : "";
  });
  byId("source").replaceChildren(...spans);
}

function showTable(found) {
  const head = make("thead").appendChild(make("tr"));
  head.append(make("th"), ...found.source_tokens.map((token) => {
    const cell = make("th");
    cell.scope = "col";
    cell.append(make("span", bare(token)));
    return cell;
  }));
  const body = make("tbody");
  found.tokens.forEach((token, row) => {
    const line = body.appendChild(make("tr"));
    const name = line.appendChild(make("th", bare(token)));
    name.scope = "row";
    found.source_tokens.forEach((source, column) => {
      const weight = found.attention[row]?.[column] ?? 0;
      const cell = line.appendChild(make("td"));
      cell.style.background = shade(weight);
      cell.title = `${bare(token)} \u2190 ${bare(source)}: ${Math.round(100 * weight)} %`;
    });
  });
  byId("weights").replaceChildren(head.parentNode, body);
}

function show(found) {
  const output = byId("translation");
  const spans = tokenSpans(found.tokens);
  spans.filter((span) => span.className).forEach((span, row) => {
    span.tabIndex = 0;
    for (const event of ["mouseenter", "focus"]) {
      span.addEventListener(event, () => showSource(found.attention[row], found.source_tokens));
    }
    for (const event of ["mouseleave", "blur"]) {
      span.addEventListener(event, () => showSource(null, found.source_tokens));
    }
  });
  output.replaceChildren(...spans);
  byId("alignment").hidden = found.tokens.length === 0;
  showSource(null, found.source_tokens);
  showTable(found);
}

function showStatus(text, isError) {
  byId("status").textContent = text;
  byId("status").classList.toggle("wrong", isError);
}

async function translate() {
  byId("go").disabled = true;
  showStatus("translating", false);
  try {
    const answer = await fetch("/translate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ text: byId("text").value }),
    });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    show(found);
    showStatus(`${found.seconds.toFixed(2)} s`, false);
  } catch (error) {
    showStatus(error.message || "The server does not respond.", true);
  } finally {
    byId("go").disabled = false;
  }
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    translate();
  }
});
// The text after # in the address is translated immediately, so that links can contain a text.
if (location.hash.length > 1) {
  try {
    byId("text").value = decodeURIComponent(location.hash.slice(1));
    translate();
  } catch (error) {
    showStatus("The text in the address is invalid.", true);
  }
}
