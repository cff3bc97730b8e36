// Whom one can address: offered while somebody writes `@` and the beginning of a name.

import { h, reconcile } from "./dom.js";
import { avatarOf } from "./view_message.js";

const BEGUN = /(?:^|\s)@([\p{L}\p{N}_.-]{0,32})$/u;
const WORDS = { all: "Everybody here", here: "Everybody who is online" };

/** Belongs to one text field; `inserted()` after a name was put into it. */
export class MentionList {
  #chat;
  #text;
  #inserted;
  #offered = [];
  #place = 0;
  element = h("ul", {
    class: "mention-list",
    id: "mention-list",
    role: "listbox",
    "aria-label": "People",
    hidden: true,
  });

  constructor(chat, text, inserted) {
    this.#chat = chat;
    this.#text = text;
    this.#inserted = inserted;
    text.setAttribute("aria-autocomplete", "list");
    text.setAttribute("aria-controls", "mention-list");
  }

  update() {
    const begun = this.#begun();
    const { current, members } = this.#chat;
    this.#offered = begun === null || !current ? [] : members.offer(current, begun);
    this.#place = 0;
    this.#draw();
  }

  /** Answers whether it was open. */
  close() {
    const open = this.#offered.length > 0;
    this.#offered = [];
    this.#draw();
    return open;
  }

  /** Answers whether the key was for this list. */
  onKey(event) {
    if (this.#offered.length === 0) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.#place = (this.#place + step + this.#offered.length) % this.#offered.length;
      this.#draw();
    } else if ((event.key === "Enter" && !event.shiftKey && !event.isComposing) || event.key === "Tab") {
      this.#insert(this.#offered[this.#place]);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  #begun() {
    const { value, selectionStart, selectionEnd } = this.#text;
    if (selectionStart !== selectionEnd) return null;
    return BEGUN.exec(value.slice(0, selectionStart))?.[1] ?? null;
  }

  #insert(id) {
    const begun = this.#begun() ?? "";
    const end = this.#text.selectionStart;
    const name = WORDS[id] ? `@${id}` : this.#chat.users.handle(id);
    this.#text.setRangeText(`${name} `, end - begun.length - 1, end, "end");
    this.close();
    this.#inserted();
    this.#text.focus();
  }

  #draw() {
    this.element.hidden = this.#offered.length === 0;
    this.#text.setAttribute("aria-expanded", String(this.#offered.length > 0));
    const { users } = this.#chat;
    const rows = this.#offered.map((id, place) => {
      const chosen = place === this.#place;
      const face = WORDS[id]
        ? h("span", { class: "avatar hue-0", "aria-hidden": "true" }, "@")
        : avatarOf(this.#chat, id);
      const name = WORDS[id] ? `@${id}` : users.name(id);
      const words = WORDS[id] ?? users.handle(id);
      // Before the field loses the focus.
      const onpointerdown = (event) => {
        event.preventDefault();
        this.#insert(id);
      };
      const props = { role: "option", "aria-selected": String(chosen), "data-user": id, onpointerdown };
      return {
        key: id,
        state: name + words + chosen,
        make: () => h("li", props, face, h("span", {}, name), h("small", {}, words)),
      };
    });
    reconcile(this.element, rows);
    const active = this.element.children[this.#place];
    active?.scrollIntoView({ block: "nearest" });
  }
}
