// What opens beside a conversation, on the right: its details or its pins. On a phone it covers the conversation.

import { h, icon } from "./dom.js";

/** `kinds`: name → `{title, make(chat, conversation)}`, whose answer is `{element, draw()}`. */
export class Panel {
  #chat;
  #kinds;
  #open = null; // {kind, conversation, content}
  #title = h("h2", {});
  #body = h("div", { class: "panel-body" });
  #opened = null; // what had the focus before
  element;

  constructor(chat, kinds) {
    this.#chat = chat;
    this.#kinds = kinds;
    const close = {
      class: "icon-button",
      type: "button",
      id: "close-panel",
      "aria-label": "Close",
      title: "Close (Esc)",
    };
    const head = h("header", {}, this.#title, h("button", { ...close, onclick: () => this.close() }, icon("close")));
    this.element = h(
      "aside",
      { class: "panel", hidden: true, "aria-label": "About the conversation" },
      head,
      this.#body,
    );
  }

  get isOpen() {
    return this.#open !== null;
  }

  /** Opens it, or closes it if it shows this already. */
  toggle(kind) {
    const { current } = this.#chat;
    if (!current) return;
    if (this.#open?.kind === kind && this.#open.conversation === current) return void this.close();
    this.#opened ??= document.activeElement;
    this.#show(kind, current);
    this.element.querySelector("button")?.focus();
  }

  close() {
    if (!this.#open) return false;
    this.#open = null;
    this.element.hidden = true;
    this.#body.replaceChildren();
    this.#opened?.focus?.();
    this.#opened = null;
    return true;
  }

  draw() {
    if (!this.#open) return;
    const { current } = this.#chat;
    if (!current) this.close();
    else if (current.id !== this.#open.conversation.id) this.#show(this.#open.kind, current);
    else this.#open.content.draw();
  }

  #show(kind, conversation) {
    const { title, make } = this.#kinds[kind];
    const content = make(this.#chat, conversation);
    this.#open = { kind, conversation, content };
    this.#title.textContent = title;
    this.element.hidden = false;
    this.#body.replaceChildren(content.element);
    content.draw();
  }
}
