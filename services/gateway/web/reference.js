// The reference: shows the OpenAPI document that this server serves, and the page on its WebSocket.

import { h } from "./dom.js";
import { markdown } from "./reference_text.js";
import { operation } from "./reference_operation.js";
import { Schemas } from "./reference_schemas.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

async function start() {
  const page = document.getElementById("page");
  try {
    const [description, socket] = await Promise.all([fetched("/v1/openapi.json"), fetched("/reference/protocol.md")]);
    show(page, await description.json(), await socket.text());
  } catch (failure) {
    page.replaceChildren(h("p", { role: "alert" }, `The document cannot be read: ${failure.message}. Reload to try again.`));
  }
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`);
  return answer;
}

function show(page, description, socket) {
  const schemas = new Schemas(description);
  const groups = description.tags.map((tag) => ({ ...tag, operations: operationsOf(description, tag.name) }));
  page.replaceChildren(
    h("header", {}, h("h1", {}, "Reference"), ...markdown(description.info.description), links()),
    ...groups.map((group) => section(group, schemas)),
    h("section", { id: "types" }, h("h2", {}, "Types"), ...schemas.all()),
    h("section", { id: "protocol", class: "prose" }, ...markdown(socket)),
  );
  document.getElementById("contents").replaceChildren(...contents(groups));
  // The place that the address names exists only now.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function links() {
  return h(
    "p",
    { class: "links" },
    h("a", { href: "/v1/openapi.json" }, "openapi.json"),
    h("a", { href: "#protocol" }, "The WebSocket"),
    h("a", { href: "#types" }, "Types"),
    h("a", { href: "/" }, "Console"),
  );
}

function operationsOf(description, tag) {
  const found = [];
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const method of METHODS) {
      const it = methods[method];
      if (it?.tags.includes(tag)) found.push({ ...it, path, method });
    }
  }
  return found;
}

function section(group, schemas) {
  return h(
    "section",
    { id: `tag-${group.name}` },
    h("h2", {}, group.name),
    h("p", { class: "muted" }, group.description),
    ...group.operations.map((it) => operation(it, schemas)),
  );
}

function contents(groups) {
  const filter = h("input", { type: "search", placeholder: "Find a route", "aria-label": "Find a route" });
  const entries = [];
  const lists = groups.map((group) => {
    const items = group.operations.map((it) => {
      const link = h("a", { href: `#${it.operationId}` }, h("span", { class: `method ${it.method}` }, it.method), it.summary);
      const item = h("li", {}, link);
      entries.push({ item, words: `${it.method} ${it.path} ${it.summary} ${it.operationId}`.toLowerCase() });
      return item;
    });
    return h("section", {}, h("h3", {}, h("a", { href: `#tag-${group.name}` }, group.name)), h("ul", {}, ...items));
  });
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase().trim();
    for (const { item, words } of entries) item.hidden = !words.includes(wanted);
    for (const list of lists) list.hidden = wanted !== "" && !list.querySelector("li:not([hidden])");
  });
  const more = h(
    "section",
    {},
    h("h3", {}, h("a", { href: "#types" }, "Types")),
    h("h3", {}, h("a", { href: "#protocol" }, "WebSocket protocol")),
  );
  return [h("a", { class: "home", href: "/" }, "Chat"), filter, ...lists, more];
}

start();
