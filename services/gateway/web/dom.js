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

/** A round picture: the one at `url`, or a name's first letters in a colour that follows from the id. */
export function avatar(id, name, url) {
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
  const element = h("span", { class: `avatar hue-${hue}`, "aria-hidden": "true" }, letters.toUpperCase() || "?");
  if (isPicture(url)) {
    const onerror = (event) => event.target.remove();
    element.append(h("img", { src: url, alt: "", loading: "lazy", referrerpolicy: "no-referrer", onerror }));
  }
  return element;
}

function isPicture(url) {
  return typeof url === "string" && URL.canParse(url) && new URL(url).protocol === "https:";
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
      const focused = element?.contains(document.activeElement) && fresh.hasAttribute("tabindex");
      if (element) element.replaceWith(fresh);
      // Who walks the rows by keys stays where they were.
      if (focused) fresh.focus({ preventScroll: true });
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
  const notes = document.getElementById("toasts");
  for (const known of notes.children) if (known.textContent === text) known.remove();
  const note = h("div", { class: "toast" }, text);
  notes.append(note);
  // Above dialogs too.
  notes.hidePopover?.();
  notes.showPopover?.();
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

/** "2 h", "5 min": how long from now. */
export function howLong(ms) {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** The time and the day, in full. */
export const fullTime = (at) => new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
