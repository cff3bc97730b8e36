// The field to write in: one draft per conversation, Enter sends, Shift+Enter begins a new line.

import { h, icon } from "./dom.js";

const TEXT_CHARS = 8_000;

/** `send(text)` is called with what somebody wrote. */
export class Composer {
  #send;
  #conversation = null;
  #drafts = new Map();
  #text = h("textarea", {
    id: "message",
    rows: 1,
    placeholder: "Write a message",
    "aria-label": "Message",
    enterkeyhint: "send",
    oninput: () => this.#onInput(),
    onkeydown: (event) => this.#onKey(event),
  });
  #count = h("span", { class: "count", "aria-live": "polite" });
  #button = h("button", { class: "send", id: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));

  constructor(send) {
    this.#send = send;
    const onsubmit = (event) => this.#onSubmit(event);
    this.element = h("form", { class: "composer", onsubmit }, this.#text, this.#count, this.#button);
  }

  /** Goes on with the draft for another conversation. */
  enter(conversation) {
    this.#conversation = conversation;
    this.#text.value = this.#drafts.get(conversation) ?? "";
    this.#onInput();
  }

  focus() {
    this.#text.focus();
  }

  #onInput() {
    const chars = [...this.#text.value].length;
    this.#count.textContent = chars > TEXT_CHARS * 0.9 ? `${chars} / ${TEXT_CHARS}` : "";
    this.#count.classList.toggle("over", chars > TEXT_CHARS);
    this.#button.disabled = this.#text.value.trim() === "" || chars > TEXT_CHARS;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    this.#text.classList.toggle("tall", this.#text.scrollHeight > this.#text.offsetHeight);
    this.#drafts.set(this.#conversation, this.#text.value);
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.element.requestSubmit();
  }

  #onSubmit(event) {
    event.preventDefault();
    this.#onInput();
    if (this.#button.disabled) return;
    const text = this.#text.value.trim();
    this.#text.value = "";
    this.#onInput();
    this.#send(text);
    this.#text.focus();
  }
}
