// The page of a logged-in user: sidebar, thread, and the keys that work everywhere.

import { h } from "./dom.js";
import { showConversation, showCreate, showJoin, showProfile } from "./view_dialogs.js";
import { Sidebar } from "./view_sidebar.js";
import { Thread } from "./view_thread.js";

/** Draws whatever `chat` knows; `draw()` is cheap enough to be called after every change. */
export class ChatView {
  #chat;
  #frame;
  #sidebar;
  #thread;
  #keys = new AbortController();

  constructor(root, chat, { logOut }) {
    this.#chat = chat;
    const select = (id) => this.#select(id);
    this.#sidebar = new Sidebar(chat, {
      select,
      create: () => showCreate(chat, select),
      join: () => showJoin(chat, select),
      profile: () => showProfile(chat, logOut),
    });
    this.#thread = new Thread(chat, {
      back: () => this.#back(),
      details: () => showConversation(chat, chat.current),
      create: () => showCreate(chat, select),
    });
    this.#frame = h("div", { class: "chat" }, this.#sidebar.element, this.#thread.element);
    root.replaceChildren(this.#frame);
    const { signal } = this.#keys;
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    document.addEventListener("visibilitychange", () => this.#onVisible(), { signal });
    window.addEventListener("online", () => chat.connection.hurry(), { signal });
    window.addEventListener("offline", () => chat.connection.hurry(), { signal });
  }

  draw() {
    const { open, store } = this.#chat;
    if (open === null) this.#frame.classList.remove("in-thread");
    this.#sidebar.draw();
    this.#thread.draw();
    const unread = store.list().filter((conversation) => store.hasNews(conversation)).length;
    document.title = unread > 0 ? `(${unread}) Chat` : "Chat";
  }

  /** Takes back what reaches beyond the page's root. */
  close() {
    this.#keys.abort();
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  }

  #select(id) {
    this.#chat.select(id);
    this.#frame.classList.add("in-thread");
    this.draw();
    this.#thread.focus();
  }

  #back() {
    this.#frame.classList.remove("in-thread");
    this.#chat.select(null);
    this.#sidebar.focus();
  }

  #onVisible() {
    if (document.visibilityState !== "visible") return;
    this.#chat.seen();
    this.#chat.connection.hurry();
  }

  #onKey(event) {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.#frame.classList.remove("in-thread");
      this.#sidebar.search();
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const id = this.#sidebar.neighbour(event.key === "ArrowDown" ? 1 : -1);
      if (id) this.#select(id);
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (this.#sidebar.clearSearch()) this.#thread.focus();
      else if (this.#frame.classList.contains("in-thread")) this.#back();
    }
  }
}
