// The field to write in: one draft per conversation, Enter sends, Shift+Enter begins a new line, ↑ edits the last.

import { h, icon } from "./dom.js";
import { toLine } from "./mentions.js";
import { countdown, pauseOf, pauseWords, waitMs } from "./pace.js";
import { attempt } from "./view_dialog.js";
import { pickEmoji } from "./view_emoji.js";
import { MentionList } from "./view_mentions.js";

const TEXT_CHARS = 8_000;
const GROWS = CSS.supports("field-sizing", "content");

/** `on.sent()` after something was sent; `on.editing()` when an edit begins or ends. */
export class Composer {
  /** `{reply: message}`, `{edit: message}` or nothing. */
  #about = {};
  #chat;
  #on;
  #conversation = null;
  #drafts = new Map(); // conversation → {text, about}
  #mentions;
  #context = h("div", { class: "composer-context", hidden: true });
  #text = h("textarea", {
    id: "message",
    rows: 1,
    placeholder: "Write a message",
    "aria-label": "Message",
    enterkeyhint: "send",
    oninput: () => this.#onInput(),
    onkeydown: (event) => this.#onKey(event),
    onblur: () => this.#chat.typing.rest(),
  });
  #count = h("span", { class: "count", "aria-live": "polite" });
  #pace = h("p", { class: "pace", id: "pace", hidden: true });
  #paced = null; // when the pause is looked at again
  #button = h("button", { class: "send", id: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
    this.#mentions = new MentionList(chat, this.#text, () => this.#onInput());
    const emoji = { class: "icon-button", type: "button", title: "Emoji", "aria-label": "Insert an emoji" };
    const insert = (event) => pickEmoji(event.currentTarget, (chosen) => this.#insert(chosen));
    const smile = h("button", { ...emoji, onclick: insert }, icon("smile"));
    const line = h("div", { class: "composer-line" }, this.#text, this.#count, smile, this.#button);
    const onsubmit = (event) => this.#onSubmit(event);
    this.element = h("form", { class: "composer", onsubmit }, this.#mentions.element, this.#context, line, this.#pace);
  }

  /** The message that is being edited. */
  get editing() {
    return this.#about.edit?.id ?? null;
  }

  /** Goes on with the draft for another conversation. */
  enter(conversation) {
    this.#keep();
    this.#conversation = conversation.id;
    const { text = "", about = {} } = this.#drafts.get(conversation.id) ?? {};
    this.#begin(about, text);
  }

  /** A field that was hidden could not be measured. */
  draw(conversation, hidden) {
    const appears = this.element.hidden && !hidden;
    this.element.hidden = hidden;
    if (appears) this.#fit();
    const words = `Message ${this.#chat.title(conversation)}`;
    if (this.#text.placeholder !== words) this.#text.placeholder = words;
    this.#drawPace();
  }

  focus() {
    this.#text.focus();
  }

  reply(message) {
    this.#begin({ reply: message }, this.#about.edit ? "" : this.#text.value);
    this.focus();
  }

  edit(message) {
    this.#begin({ edit: message }, this.#chat.members.toPlain(message));
    this.focus();
    this.#text.setSelectionRange(this.#text.value.length, this.#text.value.length);
  }

  /** Answers whether there was something to leave. */
  cancel() {
    if (this.#mentions.close()) return true;
    if (!this.#about.reply && !this.#about.edit) return false;
    this.#begin({}, this.#about.edit ? "" : this.#text.value);
    return true;
  }

  #begin(about, text) {
    this.#about = about;
    this.#text.value = text;
    this.#mentions.close();
    this.#drawContext();
    this.#fit();
    this.#on.editing();
  }

  #keep() {
    if (!this.#conversation) return;
    const { value } = this.#text;
    if (value || this.#about.reply || this.#about.edit) {
      this.#drafts.set(this.#conversation, { text: value, about: this.#about });
    } else {
      this.#drafts.delete(this.#conversation);
    }
  }

  #drawContext() {
    const { reply, edit } = this.#about;
    const message = reply ?? edit;
    this.#context.hidden = !message;
    if (!message) return;
    const { users } = this.#chat;
    const title = reply ? `Replying to ${users.name(message.by)}` : "Editing";
    const words = h(
      "span",
      {},
      toLine(message.text, (id) => users.name(id)),
    );
    const close = { class: "icon-button", type: "button", "aria-label": "Cancel", title: "Cancel (Esc)" };
    const cancel = h("button", { ...close, onclick: () => this.cancel() && this.focus() }, icon("close"));
    const mark = icon(reply ? "reply" : "edit");
    this.#context.replaceChildren(mark, h("div", {}, h("strong", {}, title), words), cancel);
  }

  // Of slow mode: that there is a pause, and how much of it is left.
  #drawPace() {
    clearTimeout(this.#paced);
    const { current } = this.#chat;
    const pause = current && !this.element.hidden ? pauseOf(current.info) : 0;
    const left = this.#waitMs();
    this.#pace.hidden = pause === 0;
    this.#pace.classList.toggle("waits", left > 0);
    const words = left > 0 ? `next message in ${countdown(left)}` : `${pauseWords(pause)} between messages`;
    if (pause > 0 && this.#pace.textContent !== `Slow mode: ${words}`) this.#pace.textContent = `Slow mode: ${words}`;
    this.#allow();
    if (left > 0) this.#paced = setTimeout(() => this.#drawPace(), left % 1_000 || 1_000);
  }

  #waitMs() {
    const { current, me, clock, outbox } = this.#chat;
    return current ? waitMs(current, me, clock.now(), outbox.of(current.id)) : 0;
  }

  #allow() {
    const chars = [...this.#text.value].length;
    const waits = !this.#about.edit && this.#waitMs() > 0;
    this.#button.disabled = this.#text.value.trim() === "" || chars > TEXT_CHARS || waits;
  }

  #onInput() {
    this.#fit();
    this.#mentions.update();
    const { current, typing } = this.#chat;
    if (current && !this.#about.edit) typing.wrote(current, this.#text.value.trim() !== "");
  }

  #fit() {
    const chars = [...this.#text.value].length;
    this.#count.textContent = chars > TEXT_CHARS * 0.9 ? `${chars} / ${TEXT_CHARS}` : "";
    this.#count.classList.toggle("over", chars > TEXT_CHARS);
    this.#allow();
    if (GROWS) return;
    // Browsers that do not let a field grow with its text: measured, which lays out all messages anew.
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #insert(text) {
    const { selectionStart: start, selectionEnd: end } = this.#text;
    this.#text.setRangeText(text, start, end, "end");
    this.#onInput();
    this.focus();
  }

  #onKey(event) {
    if (this.#mentions.onKey(event)) return;
    if (event.key === "ArrowUp" && this.#text.value === "" && !event.altKey) {
      const last = this.#chat.current?.timeline.rows.findLast(({ by, notice, deleted, forward_of }) => {
        return by === this.#chat.me && !notice && !deleted && !forward_of;
      });
      if (!last) return;
      event.preventDefault();
      this.edit(last);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.element.requestSubmit();
    }
  }

  #onSubmit(event) {
    event.preventDefault();
    this.#onInput();
    if (this.#button.disabled) return;
    const text = this.#text.value.trim();
    const { current, actions } = this.#chat;
    const { reply, edit } = this.#about;
    this.#begin({}, "");
    this.#drafts.delete(this.#conversation);
    this.#text.focus();
    if (!edit) {
      actions.send(current, text, { replyTo: reply?.id });
      this.#on.sent();
    } else if (text !== this.#chat.members.toPlain(edit)) {
      attempt(() => actions.edit(current, edit, text)).then((done) => {
        // Refused: nothing that was written is lost.
        if (!done && this.#conversation === current.id && this.#text.value === "") this.#begin({ edit }, text);
      });
    }
  }
}
