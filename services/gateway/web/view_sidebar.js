// The left side: conversations, search, and how the connection is.

import { avatar, h, icon, reconcile, shortTime } from "./dom.js";

const STOPPED = { 4502: "Account suspended", 4504: "Reload this page", 4506: "In use on other devices" };

/** Newest conversation first; typing in the search field filters by name. */
export class Sidebar {
  #chat;
  #on;
  #search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search",
    "aria-label": "Search conversations",
    "aria-keyshortcuts": "Control+K",
    autocomplete: "off",
    oninput: () => this.draw(),
    onkeydown: (event) => this.#onSearchKey(event),
  });
  #list = h("ul", {
    class: "conversations",
    "aria-label": "Conversations",
    onkeydown: (event) => this.#onListKey(event),
  });
  #empty = h("div", { class: "sidebar-empty" });
  #status = h("div", { class: "status", id: "status", role: "status" });
  #profile = h("button", { class: "profile", onclick: () => this.#on.profile(), "aria-label": "Your profile" });
  #countdown = null;

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
    const create = { class: "icon-button", id: "new", title: "New conversation", "aria-label": "New conversation" };
    const join = { class: "icon-button", id: "join", title: "Join by id", "aria-label": "Join a conversation by id" };
    this.element = h(
      "nav",
      { class: "sidebar", "aria-label": "Conversations" },
      h(
        "header",
        { class: "sidebar-head" },
        h("span", { class: "brand-mark" }, icon("logo")),
        h("h1", {}, "Chat"),
        h("button", { ...join, onclick: on.join }, icon("enter")),
        h("button", { ...create, onclick: on.create }, icon("plus")),
      ),
      h("div", { class: "search" }, icon("search"), this.#search, h("kbd", { "aria-hidden": "true" }, "Ctrl K")),
      this.#list,
      this.#empty,
      h("footer", { class: "sidebar-foot" }, this.#profile, this.#status),
    );
  }

  draw() {
    const shown = this.#shown();
    reconcile(
      this.#list,
      shown.map((conversation) => this.#row(conversation)),
    );
    this.#drawEmpty(shown.length);
    this.#drawProfile();
    this.#drawStatus();
  }

  focus() {
    (this.#list.querySelector("button") ?? this.#search).focus();
  }

  search() {
    this.#search.focus();
    this.#search.select();
  }

  /** Answers whether there was something to clear. */
  clearSearch() {
    if (document.activeElement !== this.#search && this.#search.value === "") return false;
    this.#search.value = "";
    this.#search.blur();
    this.draw();
    return true;
  }

  /** The conversation `step` below the open one. */
  neighbour(step) {
    const shown = this.#shown();
    const place = shown.findIndex(({ id }) => id === this.#chat.open);
    return shown[Math.min(Math.max(place + step, 0), shown.length - 1)]?.id;
  }

  #shown() {
    const wanted = this.#search.value.trim().toLowerCase();
    const all = this.#chat.store.list();
    if (!wanted) return all;
    return all.filter((one) => this.#chat.title(one).toLowerCase().includes(wanted) || one.id.toLowerCase() === wanted);
  }

  #row(conversation) {
    const { store, users, me, open } = this.#chat;
    const { id, info, last, unread, peer } = conversation;
    const title = this.#chat.title(conversation);
    const news = store.hasNews(conversation);
    const pending = this.#chat.outbox.of(id).some(({ state }) => state === "failed");
    const who = last && (last.by === me ? "You: " : info.kind === "direct" ? "" : `${users.name(last.by)}: `);
    const preview = last ? (last.deleted ? "Message deleted" : `${who}${last.text}`) : "No messages yet";
    const when = last ? shortTime(last.at) : "";
    const badge = !news ? null : unread === 0 ? "" : unread > 99 ? "99+" : String(unread);
    const make = () =>
      h(
        "li",
        {},
        h(
          "button",
          {
            class: `conversation${id === open ? " open" : ""}${news ? " news" : ""}`,
            "data-id": id,
            "aria-current": id === open ? "true" : undefined,
            onclick: () => this.#on.select(id),
          },
          avatar(peer ?? id, title),
          h("span", { class: "conversation-title" }, title),
          h("time", { class: "conversation-time" }, when),
          h("span", { class: "conversation-preview" }, preview),
          pending ? h("span", { class: "badge failed", title: "A message was not sent" }, "!") : null,
          badge !== null && !pending
            ? h(
                "span",
                { class: `badge${badge ? "" : " dot"}`, "aria-label": badge ? `${badge} unread` : "unread" },
                badge,
              )
            : null,
        ),
      );
    return { key: id, state: JSON.stringify([title, preview, when, badge, pending, id === open, peer]), make };
  }

  #drawEmpty(count) {
    const searching = this.#search.value.trim() !== "";
    const state = count > 0 ? "" : searching ? "none" : this.#chat.listed ? "first" : "loading";
    const make = {
      "": () => h("div", { hidden: true }),
      none: () => h("p", {}, "No conversation is called that."),
      loading: () => h("div", { class: "spinner", role: "progressbar", "aria-label": "Loading" }),
      first: () =>
        h(
          "div",
          {},
          h("p", {}, "No conversations yet."),
          h("button", { class: "primary", onclick: this.#on.create }, "Start one"),
        ),
    }[state];
    reconcile(this.#empty, [{ key: "empty", state, make }]);
  }

  #drawProfile() {
    const { users, me } = this.#chat;
    const [name, handle] = [users.name(me), users.handle(me)];
    const words = h("span", { class: "profile-name" }, h("strong", {}, name), h("span", {}, handle));
    const make = () => h("span", { class: "profile-inner" }, avatar(me, name), words);
    reconcile(this.#profile, [{ key: "me", state: name + handle, make }]);
  }

  #drawStatus() {
    clearTimeout(this.#countdown);
    const { name, until, code } = this.#chat.status;
    const seconds = name === "waiting" ? Math.max(0, Math.ceil((until - Date.now()) / 1000)) : 0;
    if (seconds > 0) this.#countdown = setTimeout(() => this.#drawStatus(), 250);
    const text = {
      connecting: "Connecting…",
      catching_up: "Catching up…",
      live: this.#chat.isBehind ? "Catching up…" : "Live",
      waiting: "Offline",
      stopped: STOPPED[code] ?? "Stopped",
    }[name];
    const make = () =>
      h(
        "span",
        { class: `status-inner ${name}` },
        h("span", { class: "status-dot" }),
        h("span", { class: "status-text" }, text),
        h("span", { class: "status-count", "aria-hidden": "true" }),
        name === "waiting" || name === "stopped"
          ? h("button", { class: "link", onclick: () => this.#again() }, name === "waiting" ? "Try now" : "Reconnect")
          : null,
      );
    this.#status.dataset.state = this.#chat.isBehind && name === "live" ? "catching_up" : name;
    reconcile(this.#status, [{ key: "status", state: name + text, make }]);
    const count = name === "waiting" ? `· next try in ${seconds} s` : "";
    this.#status.querySelector(".status-count").textContent = count;
  }

  #again() {
    if (this.#chat.status.name === "stopped") this.#chat.connection.start();
    else this.#chat.connection.hurry();
  }

  #onListKey(event) {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step || event.altKey) return;
    event.preventDefault();
    document.activeElement.closest("li")?.[step]?.querySelector("button").focus();
  }

  #onSearchKey(event) {
    if (event.key === "Enter") {
      const [first] = this.#shown();
      if (first) {
        this.#search.value = "";
        this.#on.select(first.id);
      }
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.#list.querySelector("button")?.focus();
    }
  }
}
