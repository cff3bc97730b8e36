// The middle: one conversation, its history, and the field to write in.

import { h, icon, reconcile, toast } from "./dom.js";
import { may } from "./rights.js";
import { shownCount } from "./unread.js";
import { Composer } from "./view_composer.js";
import { attempt } from "./view_dialog.js";
import { ThreadHead } from "./view_head.js";
import { rowsOf } from "./view_rows.js";
import { Selection } from "./view_selection.js";
import { Tools } from "./view_tools.js";

const NEAR_PX = 80;

/** Messages with the newest at the bottom; scrolling reads older and newer ones. */
export class Thread {
  #chat;
  #shown = null;
  #stick = true; // to the newest message
  #revealed = new Set(); // messages of blocked people that were asked for
  #flash = null; // the message that was jumped to
  #head;
  #banner = h("div", { class: "banner", role: "status" });
  #rows = h("ol", { class: "rows" });
  #scroll = h(
    "div",
    {
      class: "scroll",
      role: "log",
      "aria-label": "Messages",
      tabindex: 0,
      onscroll: () => this.#onScroll(),
      onkeydown: (event) => this.#onKey(event),
    },
    this.#rows,
  );
  #jump = h("button", { class: "jump", hidden: true, onclick: () => this.#toNewest() }, icon("down"), h("span", {}));
  #above = h("button", { class: "above", hidden: true, onclick: () => this.#toNews() }, icon("up"), h("span", {}));
  #typing = h("p", { class: "typing", "aria-live": "polite" });
  #readOnly = h("p", { class: "read-only", hidden: true });
  #composer;
  #selection;
  #body;
  #nothing;

  constructor(chat, on) {
    this.#chat = chat;
    this.#head = new ThreadHead(chat, on);
    this.#composer = new Composer(chat, {
      sent: () => this.#toBottom(),
      editing: () => chat.changed(),
    });
    this.#selection = new Selection(chat, () => chat.changed());
    new Tools(chat, this.#rows, {
      selection: this.#selection,
      reply: (message) => this.#composer.reply(message),
      edit: (message) => this.#composer.edit(message),
      jump: (id) => this.jumpTo(id),
      source: on.source,
      profile: on.person,
    });
    const body = h("div", { class: "thread-body" }, this.#banner, this.#above, this.#scroll, this.#jump);
    const foot = h(
      "div",
      { class: "thread-foot" },
      this.#selection.element,
      this.#readOnly,
      this.#composer.element,
      this.#typing,
    );
    this.#body = h("div", { class: "thread-open" }, this.#head.element, body, foot);
    this.#nothing = h(
      "div",
      { class: "thread-nothing" },
      h("span", { class: "nothing-mark" }, icon("logo")),
      h("h2", {}, "Pick a conversation"),
      h("p", {}, "Choose one on the left, or start a new one. ", h("kbd", {}, "Ctrl K"), " searches."),
      h("button", { class: "primary", onclick: on.create }, "New conversation"),
    );
    this.element = h("main", { class: "thread" }, this.#nothing, this.#body);
    new ResizeObserver(() => this.#stick && this.#toBottom()).observe(this.#scroll);
  }

  draw() {
    const { current } = this.#chat;
    this.#nothing.hidden = current !== undefined;
    this.#body.hidden = current === undefined;
    if (!current) {
      this.#shown = null;
      return;
    }
    const fresh = this.#shown !== current.id;
    if (fresh) this.#enter(current);
    this.#head.draw(current);
    this.#drawBanner();
    this.#selection.draw(current);
    this.#drawRows(current, fresh);
    this.#drawAbove(current);
    this.#drawFoot(current);
  }

  focus() {
    if (this.#chat.current && !this.#composer.element.hidden) this.#composer.focus();
  }

  /** Answers whether there was something to leave. */
  cancel() {
    if (this.#selection.clear() || this.#composer.cancel()) return true;
    if (!this.#rows.contains(document.activeElement)) return false;
    this.focus();
    return true;
  }

  /** Shows a message, wherever in the history it is. */
  async jumpTo(id) {
    const { current, history } = this.#chat;
    this.#stick = false;
    let there = false;
    await attempt(async () => {
      there = await history.around(current, id);
      if (!there) toast("The message is gone.");
    });
    if (!there || this.#chat.current !== current) return;
    this.draw();
    const row = [...this.#rows.children].find((one) => one.dataset.id === id);
    row?.scrollIntoView({ block: "center" });
    row?.focus({ preventScroll: true });
    clearTimeout(this.#flash);
    row?.classList.add("flash");
    this.#flash = setTimeout(() => row?.classList.remove("flash"), 2_000);
    this.#onScroll();
  }

  #enter(conversation) {
    this.#shown = conversation.id;
    this.#stick = true;
    this.#rows.replaceChildren();
    this.#revealed.clear();
    this.#selection.ids.clear();
    this.#composer.enter(conversation);
  }

  #drawBanner() {
    const text = {
      connecting: "Connecting…",
      catching_up: "Catching up on what you missed…",
      waiting: "You are offline. What you write is kept and sent when the connection is back.",
      stopped: "Disconnected on this device. Reconnect to go on.",
      live: this.#chat.isBehind ? "Catching up on what you missed…" : "",
    }[this.#chat.status.name];
    if (this.#banner.textContent !== text) this.#banner.textContent = text;
    this.#banner.hidden = text === "";
  }

  #drawRows(conversation, fresh) {
    const box = this.#scroll;
    const anchor = this.#stick ? null : this.#firstVisible();
    const offset = anchor ? anchor.offsetTop - box.scrollTop : 0;
    const place = this.#rows.childElementCount;
    const last = this.#rows.lastElementChild?.rowKey;
    const reveal = (id) => {
      this.#revealed.add(id);
      this.draw();
    };
    const editing = this.#composer.editing;
    const { ids: chosen } = this.#selection;
    const rows = rowsOf({ chat: this.#chat, conversation, revealed: this.#revealed, reveal, editing, chosen });
    reconcile(this.#rows, rows);
    if (fresh || this.#stick) this.#toBottom();
    else if (anchor?.isConnected) box.scrollTop = anchor.offsetTop - offset;
    if (!this.#stick && place > 0 && last !== rows.at(-1).key) this.#jump.classList.add("news");
    const { unread } = conversation;
    const words = unread.count > 0 ? `${shownCount(unread.count)} new` : "Newest";
    this.#jump.querySelector("span").textContent = words;
    this.#jump.hidden = this.#stick && !conversation.timeline.detached;
    // No scrolling tells of what is at its end already.
    const atTop = box.scrollHeight <= box.clientHeight || (!this.#stick && box.scrollTop < NEAR_PX);
    if (atTop && this.#chat.history.state === "idle") this.#older();
  }

  // What was new when the conversation was opened may begin above what fits on the screen.
  #drawAbove({ divider }) {
    const line = this.#rows.querySelector(".news-line");
    const above = divider !== null && (!line || line.offsetTop < this.#scroll.scrollTop) && divider.count > 1;
    this.#above.hidden = !above || divider.seen === true;
    if (above) this.#above.querySelector("span").textContent = `${shownCount(divider.count)} new messages`;
    else if (divider !== null && line) divider.seen = true;
  }

  #drawFoot(conversation) {
    const { typing, users, blocks } = this.#chat;
    const { info, peer, id } = conversation;
    const blocked = info.kind === "direct" && peer && blocks.has(peer);
    const silent = !may("send", info) || blocked;
    const why = info.kind === "broadcast" ? "Only senders can write in this broadcast." : "You cannot write here.";
    this.#readOnly.textContent = blocked ? "You blocked this person. Unblock them to write again." : why;
    this.#composer.draw(conversation, silent);
    this.#readOnly.hidden = !silent;
    const names = typing.of(id).map((user) => users.name(user));
    const words = { 0: "", 1: `${names[0]} is typing…`, 2: `${names[0]} and ${names[1]} are typing…` };
    const text = words[names.length] ?? "Several people are typing…";
    if (this.#typing.textContent !== text) this.#typing.textContent = text;
  }

  #firstVisible() {
    const top = this.#scroll.scrollTop;
    // Days and the line before what is new move when older messages come: only messages and notices hold still.
    const holds = ({ classList }) => classList.contains("message") || classList.contains("notice");
    return [...this.#rows.children].find((row) => holds(row) && row.offsetTop + row.offsetHeight > top);
  }

  #onScroll() {
    const { current, history } = this.#chat;
    if (!current) return;
    const box = this.#scroll;
    const below = box.scrollHeight - box.scrollTop - box.clientHeight;
    const { detached } = current.timeline;
    this.#stick = below < NEAR_PX && !detached;
    this.#jump.hidden = this.#stick;
    if (this.#stick) this.#jump.classList.remove("news");
    if (this.#chat.atEnd !== this.#stick) {
      this.#chat.atEnd = this.#stick;
      this.#chat.seen();
    }
    this.#drawAbove(current);
    if (box.scrollTop < 3 * NEAR_PX && history.state === "idle") this.#older();
    if (detached && below < 3 * NEAR_PX && history.ahead === "idle") history.newer(current);
  }

  // From the messages as a whole into them: the last one first.
  #onKey(event) {
    if (event.target !== this.#scroll || event.key !== "ArrowUp") return;
    event.preventDefault();
    [...this.#rows.querySelectorAll(".message")].at(-1)?.focus();
  }

  #older() {
    this.#chat.history.older(this.#chat.current);
  }

  #toNews() {
    const { current } = this.#chat;
    const line = this.#rows.querySelector(".news-line");
    if (current.divider) current.divider.seen = true;
    if (!line) {
      // Further back than what is loaded: page by page, as if scrolled.
      this.#scroll.scrollTop = 0;
      return;
    }
    this.#stick = false;
    line.scrollIntoView({ block: "start" });
  }

  async #toNewest() {
    const { current, history } = this.#chat;
    this.#stick = true;
    await history.newest(current);
    this.#toBottom();
    this.focus();
  }

  #toBottom() {
    this.#stick = true;
    this.#jump.hidden = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}
