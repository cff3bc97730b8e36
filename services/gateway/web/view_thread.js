// The right side: one conversation, its history, and the field to write in.

import { avatar, h, icon, reconcile } from "./dom.js";
import { Composer } from "./view_composer.js";
import { rowsOf } from "./view_rows.js";

const NEAR_PX = 80;

/** Messages with the newest at the bottom; scrolling up reads older ones. */
export class Thread {
  #chat;
  #on;
  #shown = null;
  #stick = true; // to the newest message
  #head = h("header", { class: "thread-head" });
  #banner = h("div", { class: "banner", role: "status" });
  #rows = h("ol", { class: "rows" });
  #scroll = h(
    "div",
    { class: "scroll", role: "log", "aria-label": "Messages", tabindex: 0, onscroll: () => this.#onScroll() },
    this.#rows,
  );
  #jump = h("button", { class: "jump", hidden: true, onclick: () => this.#toBottom() }, icon("down"), "Newest");
  #readOnly = h("p", { class: "read-only", hidden: true }, "Only senders can write in this broadcast.");
  #composer;
  #body;
  #nothing;

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
    this.#composer = new Composer((text) => {
      this.#stick = true;
      chat.send(text);
    });
    const body = h("div", { class: "thread-body" }, this.#banner, this.#scroll, this.#jump);
    this.#body = h("div", { class: "thread-open" }, this.#head, body, this.#readOnly, this.#composer.element);
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
    if (fresh) this.#enter(current.id);
    this.#drawHead(current);
    this.#drawBanner();
    this.#drawRows(current, fresh);
    const silent = current.info.kind === "broadcast" && current.info.role === "reader";
    this.#composer.element.hidden = silent;
    this.#readOnly.hidden = !silent;
  }

  focus() {
    if (this.#chat.current && !this.#composer.element.hidden) this.#composer.focus();
  }

  #enter(id) {
    this.#shown = id;
    this.#stick = true;
    this.#rows.replaceChildren();
    this.#composer.enter(id);
  }

  #drawHead(conversation) {
    const { info, peer, id } = conversation;
    const title = this.#chat.title(conversation);
    const kind = { direct: "Direct", group: "Group", broadcast: "Broadcast" }[info.kind];
    const count =
      info.kind === "direct" || !info.members_count
        ? null
        : `${info.members_count} ${info.members_count === 1 ? "member" : "members"}`;
    const handle = peer ? this.#chat.users.handle(peer) : "";
    const about = [handle || kind, count, info.visibility === "public" ? "public" : null, info.topic]
      .filter(Boolean)
      .join(" · ");
    const make = () =>
      h(
        "div",
        { class: "thread-head-inner" },
        h("button", { class: "icon-button back", "aria-label": "Back", onclick: this.#on.back }, icon("back")),
        avatar(peer ?? id, title),
        h("div", { class: "thread-title" }, h("h2", {}, title), h("p", {}, about)),
        h(
          "button",
          {
            class: "icon-button",
            id: "details",
            title: "Members and details",
            "aria-label": "Members and details",
            onclick: this.#on.details,
          },
          icon("people"),
        ),
      );
    reconcile(this.#head, [{ key: "head", state: id + title + about, make }]);
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
    const last = this.#rows.lastElementChild?.rowKey;
    const rows = rowsOf(this.#chat, conversation);
    reconcile(this.#rows, rows);
    if (fresh || this.#stick) this.#toBottom();
    else if (anchor?.isConnected) box.scrollTop = anchor.offsetTop - offset;
    if (!this.#stick && last !== rows.at(-1).key) this.#jump.classList.add("news");
    if (this.#chat.history.state === "idle" && box.scrollHeight <= box.clientHeight) this.#older();
  }

  #firstVisible() {
    const top = this.#scroll.scrollTop;
    return [...this.#rows.children].find((row) => row.rowKey !== "history" && row.offsetTop + row.offsetHeight > top);
  }

  #onScroll() {
    const box = this.#scroll;
    this.#stick = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    this.#jump.hidden = this.#stick;
    if (this.#stick) this.#jump.classList.remove("news");
    if (box.scrollTop < 3 * NEAR_PX && this.#chat.history.state === "idle") this.#older();
  }

  #older() {
    this.#chat.history.older(this.#chat.current);
  }

  #toBottom() {
    this.#stick = true;
    this.#jump.hidden = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}
