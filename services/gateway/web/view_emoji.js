// Choosing an emoji.

import { h } from "./dom.js";
import { emojiLike } from "./emoji.js";
import { popup } from "./view_menu.js";

/** Opens beside `anchor`; `chosen(emoji)` follows. */
export function pickEmoji(anchor, chosen) {
  const search = h("input", {
    type: "search",
    class: "emoji-search",
    placeholder: "Search",
    "aria-label": "Search emoji",
    autocomplete: "off",
    oninput: () => draw(),
    onkeydown: (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        grid.querySelector("button")?.click();
      } else if (event.key === "ArrowDown") {
        event.preventDefault();
        grid.querySelector("button")?.focus();
      }
    },
  });
  const grid = h("div", { class: "emoji-grid", onkeydown: onArrow });
  const close = popup(anchor, h("div", { class: "emoji-picker" }, search, grid), { label: "Emoji" });
  draw();
  search.focus();

  function draw() {
    grid.replaceChildren(
      ...emojiLike(search.value).flatMap(([group, list]) => [
        h("p", { class: "emoji-group" }, group),
        h("div", { class: "emoji-row" }, ...list.map(button)),
      ]),
    );
    if (!grid.firstChild) grid.append(h("p", { class: "hint" }, "No emoji is called so."));
  }

  function button({ emoji, words }) {
    const onclick = () => {
      close();
      chosen(emoji);
    };
    return h("button", { type: "button", title: words, "aria-label": words, "data-emoji": emoji, onclick }, emoji);
  }

  function onArrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 8, ArrowUp: -8 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...grid.querySelectorAll("button")];
    const next = buttons.indexOf(document.activeElement) + step;
    if (next < 0) search.focus();
    else buttons[Math.min(next, buttons.length - 1)].focus();
  }
}
