// Small things that open beside what was pressed: menus, pickers.

import { h, icon } from "./dom.js";

const GAP_PX = 4;
const EDGE_PX = 8;

/** Opens `content` beside `anchor`; a click elsewhere or Escape closes it. Answers how to close it. */
export function popup(anchor, content, { closed = () => {}, label } = {}) {
  const element = h("div", { class: "popup", popover: "auto", "aria-label": label }, content);
  // A modal dialog takes everything outside of it away.
  (anchor.closest("dialog") ?? document.body).append(element);
  element.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    element.remove();
    closed();
  });
  element.showPopover();
  place(element, anchor.getBoundingClientRect());
  return () => element.isConnected && element.hidePopover();
}

/** Rows `{icon, label, act, danger?, on?}` or null for a line between. */
export function menu(anchor, rows, { label = "More" } = {}) {
  const list = h("div", { class: "menu", role: "menu", onkeydown: onKey });
  let close = () => {};
  for (const row of rows.filter((one, place) => one || (place > 0 && rows[place - 1]))) {
    if (!row) {
      list.append(h("hr", {}));
      continue;
    }
    const onclick = () => {
      close();
      anchor.focus({ preventScroll: true });
      row.act();
    };
    const props = { type: "button", role: "menuitem", class: row.danger ? "danger-row" : undefined, onclick };
    const mark = row.on ? h("span", { class: "menu-mark" }, icon("check")) : null;
    list.append(h("button", { ...props, "data-act": row.name }, icon(row.icon), h("span", {}, row.label), mark));
  }
  close = popup(anchor, list, { label });
  list.querySelector("button")?.focus();
  return close;
}

function onKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
  buttons[next]?.focus();
}

// Below if there is room, else above; towards the middle; never over the edge.
function place(element, anchor) {
  const { width, height } = element.getBoundingClientRect();
  const below = anchor.bottom + GAP_PX;
  const above = anchor.top - GAP_PX - height;
  const top = below + height + EDGE_PX <= innerHeight ? below : Math.max(above, EDGE_PX);
  const wanted = anchor.left + anchor.right < innerWidth ? anchor.left : anchor.right - width;
  const left = Math.min(Math.max(wanted, EDGE_PX), innerWidth - width - EDGE_PX);
  element.style.top = `${Math.max(EDGE_PX, Math.min(top, innerHeight - height - EDGE_PX))}px`;
  element.style.left = `${Math.max(EDGE_PX, left)}px`;
}
