// Just enough Markdown for our own pages: text becomes text nodes, never markup.

import { h } from "./dom.js";

const LIST = /^\s*(?:[*-]|\d+\.)\s+/u;
const TABLE = /^\s*\|/u;

/** The elements that a text is made of. */
export function markdown(text) {
  const lines = text.split("\n");
  const made = [];
  while (lines.length > 0) {
    const line = lines[0];
    if (line.trim() === "" || line.startsWith("<!--")) lines.shift();
    else if (line.startsWith("```")) made.push(code(lines));
    else if (line.startsWith("#")) made.push(heading(lines.shift()));
    else if (TABLE.test(line)) made.push(table(lines));
    else if (LIST.test(line)) made.push(list(lines));
    else made.push(h("p", {}, ...inline(paragraph(lines))));
  }
  return made;
}

/** A line's words, `code`, **strong ones** and [links](to); what is elsewhere than on the web is only named. */
export function inline(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(/`([^`]+)`|\*\*([^*]+)\*\*|\[((?:[^\]`]|`[^`]*`)+)\]\(([^)\s]+)\)/gu)) {
    parts.push(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, verbatim, strong, words, target] = found;
    if (verbatim !== undefined) parts.push(h("code", {}, verbatim));
    else if (strong !== undefined) parts.push(h("strong", {}, ...inline(strong)));
    else if (/^(?:https?:\/\/|\/|#)/u.test(target)) parts.push(h("a", { href: target, rel: "noreferrer" }, ...inline(words)));
    else parts.push(...inline(words));
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

function paragraph(lines) {
  const words = [];
  while (lines.length > 0 && lines[0].trim() !== "" && !/^(?:```|#|\s*\|)/u.test(lines[0])) {
    if (words.length > 0 && LIST.test(lines[0])) break;
    words.push(lines.shift().trim());
  }
  return words.join(" ");
}

function heading(line) {
  const [, marks, words] = /^(#+)\s*(.*)$/u.exec(line);
  return h(`h${Math.min(marks.length + 1, 6)}`, {}, ...inline(words));
}

function code(lines) {
  lines.shift();
  const content = [];
  while (lines.length > 0 && !lines[0].startsWith("```")) content.push(lines.shift());
  lines.shift();
  return h("pre", {}, h("code", {}, content.join("\n")));
}

function list(lines) {
  const ordered = /^\s*\d/u.test(lines[0]);
  const items = [];
  while (lines.length > 0 && LIST.test(lines[0])) {
    lines[0] = lines[0].replace(LIST, "");
    items.push(h("li", {}, ...inline(paragraph(lines))));
  }
  return h(ordered ? "ol" : "ul", {}, ...items);
}

function table(lines) {
  const rows = [];
  while (lines.length > 0 && TABLE.test(lines[0])) rows.push(cells(lines.shift()));
  const [head, , ...body] = rows;
  const row = (tag, texts) => h("tr", {}, ...texts.map((text) => h(tag, {}, ...inline(text))));
  return h(
    "div",
    { class: "wide" },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, ...body.map((texts) => row("td", texts)))),
  );
}

/** Bars within `code`, or after a backslash, are no ends of cells. */
function cells(line) {
  const marked = line.trim().replace(/`[^`]*`/gu, (verbatim) => verbatim.replaceAll("|", "\u0000")).replaceAll("\\|", "\u0000");
  return marked.replace(/^\||\|$/gu, "").split("|").map((cell) => cell.replaceAll("\u0000", "|").trim());
}
