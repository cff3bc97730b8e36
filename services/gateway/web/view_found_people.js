// People whose name begins with what is searched for, to start a direct conversation with.

import { h, reconcile } from "./dom.js";
import { face } from "./view_presence.js";

const PAUSE_MS = 150;

/** `talk(user)` follows a choice. */
export class FoundPeople {
  element = h("ul", { class: "found-people", "aria-label": "People", hidden: true });
  #chat;
  #talk;
  #wanted = "";
  #found = [];
  #timer = null;

  constructor(chat, talk) {
    this.#chat = chat;
    this.#talk = talk;
  }

  /** Asks for them, if that is news. */
  search(text) {
    const wanted = text.replace(/^@/, "");
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    clearTimeout(this.#timer);
    if (/^[a-z0-9_.-]{2,32}$/.test(wanted)) this.#timer = setTimeout(() => this.#ask(wanted), PAUSE_MS);
    else this.#found = [];
  }

  draw() {
    const { store, users, me } = this.#chat;
    const known = new Set([...store.conversations.values()].map(({ peer }) => peer));
    const people = this.#found.filter(({ id }) => id !== me && !known.has(id));
    this.element.hidden = people.length === 0;
    const rows = people.map(({ id }) => {
      const name = users.name(id);
      const words = h("span", { class: "member-name" }, h("strong", {}, name), h("small", {}, users.handle(id)));
      const props = { type: "button", "data-user": id, onclick: () => this.#talk(id) };
      return { key: id, state: name, make: () => h("li", {}, h("button", props, face(this.#chat, id), words)) };
    });
    if (rows.length > 0)
      rows.unshift({ key: "title", state: "", make: () => h("li", { class: "found-title" }, "People") });
    reconcile(this.element, rows);
  }

  async #ask(prefix) {
    let found = [];
    try {
      found = await this.#chat.users.search(prefix);
    } catch {
      // Conversations are found without it.
    }
    if (prefix !== this.#wanted) return;
    this.#found = found;
    this.#chat.changed();
  }
}
