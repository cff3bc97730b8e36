// The pinned messages of a conversation, the last pinned first.

import { fullTime, h, icon, reconcile, shortTime } from "./dom.js";
import { may } from "./rights.js";
import { everything } from "./routes.js";
import { attempt } from "./view_dialog.js";
import { avatarOf } from "./view_message.js";
import { written } from "./view_text.js";

/** For the panel. `jump(id)` shows a message in the conversation. */
export class Pins {
  element = h("ul", { class: "pins" });
  #chat;
  #conversation;
  #jump;
  #asking = false;

  constructor(chat, conversation, jump) {
    this.#chat = chat;
    this.#conversation = conversation;
    this.#jump = jump;
  }

  draw() {
    const { pins } = this.#conversation;
    if (pins === null) this.#load();
    const rows = (pins ?? []).map((message) => this.#row(message));
    const state = pins === null ? "loading" : pins.length === 0 ? "empty" : null;
    const hint = () =>
      h("li", { class: "hint" }, "Nothing is pinned. What matters for long can be pinned from its menu.");
    const spinner = () => h("li", {}, h("span", { class: "spinner" }));
    if (state && rows.length === 0) rows.push({ key: state, state, make: state === "empty" ? hint : spinner });
    reconcile(this.element, rows);
  }

  async #load() {
    if (this.#asking) return;
    this.#asking = true;
    const { rest } = this.#chat;
    const { id } = this.#conversation;
    await attempt(async () => {
      this.#conversation.pins = await everything((cursor) => rest.pins(id, cursor));
    });
    this.#asking = false;
    if (this.#conversation.pins && this.element.isConnected) this.draw();
  }

  #row(message) {
    const { users, actions } = this.#chat;
    const name = users.name(message.by);
    const unpin = { class: "icon-button", type: "button", title: "Unpin", "aria-label": "Unpin" };
    const take = () => attempt(() => actions.pin(this.#conversation, { ...message, pinned: true }));
    const make = () =>
      h(
        "li",
        { class: "pin", "data-id": message.id },
        h(
          "div",
          { class: "pin-head" },
          avatarOf(this.#chat, message.by),
          h("strong", {}, name),
          h("time", { datetime: message.at, title: fullTime(message.at) }, shortTime(message.at)),
          may("pin", this.#conversation.info) ? h("button", { ...unpin, onclick: take }, icon("close")) : null,
        ),
        h("p", { class: "pin-text" }, ...written(this.#chat, message)),
        h(
          "button",
          { class: "link", type: "button", onclick: () => this.#jump(message.id) },
          "Show in the conversation",
        ),
      );
    return { key: message.id, state: JSON.stringify([name, message.text, message.version]), make };
  }
}
