// A field to choose people in.

import { avatar, field, h, icon, reconcile } from "./dom.js";
import { explain } from "./explain.js";
import { isId, shortId } from "./ids.js";

/** Chosen people as chips, found by the beginning of their name or by id. */
export class People {
  most = 100;
  #chat;
  #chosen = new Map();
  #chips = h("span", { class: "chips" });
  #input = h("input", {
    id: "people",
    type: "text",
    placeholder: "Name or user id",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "none",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "people-found",
    oninput: () => this.#onInput(),
    onkeydown: (event) => this.#onKey(event),
  });
  #found = h("ul", { class: "found", id: "people-found", role: "listbox", hidden: true });
  #hint = h("p", { class: "hint" });
  #timer = null;
  #asked = 0;

  constructor(chat, label) {
    this.#chat = chat;
    const box = h("div", { class: "people", onclick: () => this.#input.focus() }, this.#chips, this.#input);
    this.element = field("people", label, box, this.#found, this.#hint);
  }

  get ids() {
    return [...this.#chosen.keys()].slice(0, this.most);
  }

  focus() {
    this.#input.focus();
  }

  #onInput() {
    clearTimeout(this.#timer);
    this.#hint.textContent = "";
    const text = this.#input.value.trim();
    if (isId(text.toUpperCase())) this.#offer([{ id: text.toUpperCase(), name: shortId(text.toUpperCase()) }]);
    else if (text.length < 2) this.#offer([]);
    else this.#timer = setTimeout(() => this.#search(text.toLowerCase()), 150);
  }

  async #search(prefix) {
    const asked = ++this.#asked;
    try {
      const users = await this.#chat.users.search(prefix);
      if (asked !== this.#asked) return;
      const others = users.filter(({ id }) => id !== this.#chat.me && !this.#chosen.has(id));
      this.#offer(others);
      if (others.length === 0) this.#hint.textContent = "Nobody's name begins so.";
    } catch (problem) {
      this.#offer([]);
      const absent = [404, 405, 422].includes(problem.status);
      this.#hint.textContent = absent ? "This server has no search by name: paste a user id." : explain(problem);
    }
  }

  #offer(users) {
    this.#found.hidden = users.length === 0;
    this.#input.setAttribute("aria-expanded", String(users.length > 0));
    const rows = users.map((user) => {
      const name = user.display_name || user.name;
      const handle = user.display_name ? `@${user.name}` : "";
      const pick = { type: "button", role: "option", "data-user": user.id, onclick: () => this.#choose(user.id, name) };
      return {
        key: user.id,
        state: name,
        make: () =>
          h("li", {}, h("button", pick, avatar(user.id, name, user.avatar_url), name, h("small", {}, handle))),
      };
    });
    reconcile(this.#found, rows);
  }

  #choose(id, name) {
    if (this.most === 1) this.#chosen.clear();
    this.#chosen.set(id, name);
    this.#input.value = "";
    this.#offer([]);
    this.#drawChips();
    this.#input.focus();
  }

  #drawChips() {
    const rows = [...this.#chosen].map(([id, name]) => {
      const drop = () => {
        this.#chosen.delete(id);
        this.#drawChips();
      };
      const remove = { type: "button", "aria-label": `Remove ${name}`, onclick: drop };
      return {
        key: id,
        state: name,
        make: () => h("span", { class: "chip" }, name, h("button", remove, icon("close"))),
      };
    });
    reconcile(this.#chips, rows);
  }

  #onKey(event) {
    const first = this.#found.querySelector("button");
    if (event.key === "Enter" && this.#input.value.trim() !== "") {
      event.preventDefault();
      first?.click();
    } else if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    } else if (event.key === "Backspace" && this.#input.value === "") {
      this.#chosen.delete([...this.#chosen.keys()].at(-1));
      this.#drawChips();
    }
  }
}
