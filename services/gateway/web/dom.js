// Building and updating the page. Text becomes text nodes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", { class: "primary", onclick: send }, icon("send"), "Send")`. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** One of the symbols in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A round picture made of a name's first letters; its colour follows from the id. */
export function avatar(id, name) {
  const words = name
    .replace(/^[^\p{L}\p{N}]+/u, "")
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const letters = words
    .slice(0, 2)
    .map((word) => [...word][0])
    .join("");
  let hue = 0;
  for (const char of id) hue = (hue * 31 + char.codePointAt(0)) % 8;
  return h("span", { class: `avatar hue-${hue}`, "aria-hidden": "true" }, letters.toUpperCase() || "?");
}

/**
 * Makes `parent` show `rows` in order. A row is `{key, state, make}` with a key of its own: its element is kept as long
 * as key and state are the same, so focus, selection and scrolling survive.
 */
export function reconcile(parent, rows) {
  const known = new Map([...parent.children].map((child) => [child.rowKey, child]));
  let place = parent.firstElementChild;
  for (const { key, state, make } of rows) {
    let element = known.get(key);
    known.delete(key);
    if (!element || element.rowState !== state) {
      const fresh = make();
      fresh.rowKey = key;
      fresh.rowState = state;
      if (element) element.replaceWith(fresh);
      if (place === element) place = fresh;
      element = fresh;
    }
    if (place === element) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}

/** Text with its web addresses as links. */
export function linked(text) {
  const parts = [];
  let from = 0;
  for (const { 0: url, index } of text.matchAll(/https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]]/gu)) {
    parts.push(text.slice(from, index));
    parts.push(h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, url));
    from = index + url.length;
  }
  parts.push(text.slice(from));
  return parts.filter((part) => part !== "");
}

/** Controls under their name. */
export function field(id, label, ...controls) {
  return h("div", { class: "field" }, h(id ? "label" : "span", { for: id, class: "label" }, label), ...controls);
}

/** A short word to the person, read out by screen readers. */
export function toast(text) {
  const note = h("div", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6_000);
}

/** Copies and says so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast(text);
  }
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const clockTime = (at) => time.format(new Date(at));

const daysAgo = (at) => Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);

/** "Today", "Yesterday", "Monday", "3 March 2026". */
export function dayName(at) {
  const days = daysAgo(at);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 7 ? weekday.format(new Date(at)) : date.format(new Date(at));
}

/** The time today, else the day. */
export function shortTime(at) {
  const days = daysAgo(at);
  if (days <= 0) return clockTime(at);
  return days === 1 ? "Yesterday" : shortDate.format(new Date(at));
}

/** What a failed request means to a person. */
export function explain(problem) {
  const words = {
    offline: "The server does not answer. Try again in a moment.",
    unauthenticated: "Name or password is wrong.",
    name_taken: "This name is taken.",
    not_found: "There is no such thing, or it is not visible to you.",
    forbidden: "You are not allowed to do this.",
    rate_limited: "Too many tries. Wait a little.",
  };
  const fields = problem.errors?.map(({ field, detail }) => `${field}: ${detail}`).join(" · ");
  return fields || words[problem.code] || problem.message;
}
