// One route: what it takes, what it answers, how it is refused, and how to ask it with curl.

import { h } from "./dom.js";
import { bounds, rows } from "./reference_schemas.js";
import { inline, markdown } from "./reference_text.js";

const JSON_TYPE = "application/json";
const PROBLEM_TYPE = "application/problem+json";

export function operation(it, schemas) {
  const needsToken = it.security.length > 0;
  return h(
    "article",
    { id: it.operationId, class: "operation" },
    h(
      "h3",
      {},
      h("span", { class: `method ${it.method}` }, it.method),
      h("a", { href: `#${it.operationId}`, class: "path" }, it.path),
    ),
    h("p", { class: "summary" }, it.summary, needsToken ? null : h("span", { class: "open" }, "no token")),
    ...(it.description ? markdown(it.description) : []),
    ...part("Parameters", parameters(it, schemas)),
    ...part("Request", request(it, schemas)),
    ...part("Try it", h("pre", {}, h("code", {}, shellLine(it, schemas, needsToken)))),
    ...part("Answers", answers(it, schemas)),
    ...part("Errors", errors(it, schemas)),
  );
}

function part(title, content) {
  return content ? [h("h4", {}, title), content] : [];
}

function parameters(it, schemas) {
  if (!it.parameters?.length) return null;
  return rows(
    it.parameters.map((parameter) => [
      parameter.name,
      h("span", {}, schemas.type(parameter.schema), h("span", { class: "muted" }, ` in ${parameter.in}`)),
      parameter.required,
      inline(parameter.description ?? ""),
      bounds(parameter.schema),
    ]),
  );
}

function request(it, schemas) {
  const schema = it.requestBody?.content[JSON_TYPE].schema;
  return schema ? schemas.fields(schemas.resolve(schema)) : null;
}

/** A line for a shell that knows `$token`. */
function shellLine(it, schemas, needsToken) {
  const query = [];
  const path = it.path.replace(/\{(\w+)\}/gu, (_, name) => {
    const parameter = it.parameters.find((one) => one.name === name && one.in === "path");
    return encodeURIComponent(schemas.example(parameter.schema));
  });
  for (const parameter of it.parameters ?? []) {
    if (parameter.name === "ids") query.push("ids=01M814RE33CM9JD7GD6ZSAEKF4");
    if (parameter.name === "limit" && !query.length) query.push("limit=20");
  }
  const parts = [`curl -sS`];
  if (it.method !== "get") parts.push(`-X ${it.method.toUpperCase()}`);
  parts.push(quoted(`${location.origin}${path}${query.length ? `?${query.join("&")}` : ""}`));
  if (needsToken) parts.push(`-H "Authorization: Bearer $token"`);
  const content = it.requestBody?.content[JSON_TYPE];
  if (content) parts.push(`-H 'Content-Type: ${JSON_TYPE}'`, `-d ${quoted(JSON.stringify(content.example))}`);
  return parts.join(" \\\n  ");
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function answers(it, schemas) {
  const good = Object.entries(it.responses).filter(([status]) => Number(status) < 400);
  return h("div", {}, ...good.map(([status, response]) => answer(status, schemas.resolve(response), schemas)));
}

function answer(status, response, schemas) {
  const schema = response.content?.[JSON_TYPE]?.schema;
  const own = Object.entries(response.headers ?? {}).filter(([, header]) => !header.$ref);
  const headers = own.map(([name, header]) => h("p", { class: "muted" }, h("code", {}, name), ` ${header.description}`));
  const body = schema && schema.$ref
    ? h(
        "details",
        {},
        h("summary", {}, "Example"),
        h("pre", {}, h("code", {}, JSON.stringify(schemas.example(schema), null, 2))),
      )
    : null;
  return h(
    "div",
    { class: "answer" },
    h("p", {}, h("code", { class: "status" }, status), " ", ...inline(response.description), schema ? h("span", {}, " — ", schemas.type(schema)) : null),
    ...headers,
    body,
  );
}

function errors(it, schemas) {
  const bad = Object.entries(it.responses).filter(([status]) => Number(status) >= 400);
  const codes = bad.flatMap(([status, reference]) => {
    const examples = schemas.resolve(reference).content[PROBLEM_TYPE].examples;
    return Object.entries(examples).map(([code, example]) => [status, code, schemas.resolve(example)]);
  });
  const body = codes.map(([status, code, example]) =>
    h("tr", {}, h("td", {}, h("code", {}, code)), h("td", {}, status), h("td", {}, example.summary), h("td", {}, ...inline(example.description))),
  );
  return h(
    "details",
    {},
    h("summary", {}, codes.map(([, code]) => code).join(", ")),
    h("div", { class: "wide" }, h("table", {}, h("tbody", {}, ...body))),
  );
}
