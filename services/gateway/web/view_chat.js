// The page of a logged-in user: sidebar, thread, panel, and the keys that work everywhere.

import { h } from "./dom.js";
import { isId } from "./ids.js";
import { toLine } from "./mentions.js";
import { notify } from "./notices.js";
import { showAccount } from "./view_account.js";
import { showCreate, showInvitation, showJoin } from "./view_create.js";
import { Details } from "./view_details.js";
import { attempt } from "./view_dialog.js";
import { showHelp } from "./view_help.js";
import { memberMenu } from "./view_members.js";
import { Panel } from "./view_panel.js";
import { Pins } from "./view_pins.js";
import { Sidebar } from "./view_sidebar.js";
import { Thread } from "./view_thread.js";

/** Draws whatever `chat` knows; `draw()` is cheap enough to be called after every change. */
export class ChatView {
  #chat;
  #frame;
  #sidebar;
  #thread;
  #panel;
  #keys = new AbortController();
  #wanted = linked(); // by the address, until it is known whether it is ours

  constructor(root, chat, { logOut }) {
    this.#chat = chat;
    const select = (id) => this.#select(id);
    const jump = (id) => {
      if (matchMedia("(max-width: 1080px)").matches) this.#panel.close();
      this.#thread.jumpTo(id);
    };
    this.#sidebar = new Sidebar(chat, {
      select,
      create: () => showCreate(chat, select),
      join: () => showJoin(chat, select),
      profile: () => showAccount(chat, { logOut, help: showHelp }),
    });
    this.#panel = new Panel(chat, {
      details: { title: "Details", make: (...of) => new Details(...of) },
      pins: { title: "Pinned messages", make: (...of) => new Pins(...of, jump) },
    });
    this.#thread = new Thread(chat, {
      back: () => this.#back(),
      details: () => this.#panel.toggle("details"),
      pins: () => this.#panel.toggle("pins"),
      create: () => showCreate(chat, select),
      source: (id, message) => {
        this.#select(id);
        this.#thread.jumpTo(message);
      },
      person: (user, anchor) => this.#person(user, anchor),
    });
    this.#frame = h("div", { class: "chat" }, this.#sidebar.element, this.#thread.element, this.#panel.element);
    root.replaceChildren(this.#frame);
    const { signal } = this.#keys;
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    document.addEventListener("visibilitychange", () => this.#onVisible(), { signal });
    window.addEventListener("online", () => chat.connection.hurry(), { signal });
    window.addEventListener("offline", () => chat.connection.hurry(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), { signal });
    // A page that the browser keeps for "back" is not there: its socket would say it is.
    window.addEventListener("pagehide", () => chat.connection.stop(), { signal });
    window.addEventListener("pageshow", ({ persisted }) => persisted && chat.connection.start(), { signal });
    window.addEventListener("popstate", () => this.#onAddress(), { signal });
  }

  draw() {
    const { open, store } = this.#chat;
    if (open === null) this.#frame.classList.remove("in-thread");
    this.#sidebar.draw();
    this.#thread.draw();
    this.#panel.draw();
    const unread = store.list().filter((conversation) => store.calls(conversation)).length;
    document.title = unread > 0 ? `(${unread}) Chat` : "Chat";
    if (this.#wanted && this.#chat.list.known) this.#follow();
  }

  /** Somebody wrote while the page may be hidden. */
  called({ conversation: id, by, data }) {
    const { store, users, blocks } = this.#chat;
    const conversation = store.get(id);
    if (!conversation || !store.calls(conversation) || blocks.has(by)) return;
    const title = this.#chat.title(conversation);
    const words = toLine(data.text, (user) => users.name(user));
    const body = conversation.info.kind === "direct" ? words : `${users.name(by)}: ${words}`;
    notify(title, body, id, () => this.#select(id));
  }

  /** Takes back what reaches beyond the page's root. */
  close() {
    this.#keys.abort();
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    history.replaceState(null, "", "/");
  }

  #select(id) {
    const address = `#c/${id}`;
    if (location.hash !== address) history.pushState(null, "", address);
    this.#enter(id);
  }

  #enter(id) {
    this.#chat.select(id);
    this.#frame.classList.add("in-thread");
    this.draw();
    // On a phone the keyboard would cover what one came to read.
    if (matchMedia("(min-width: 721px)").matches) this.#thread.focus();
  }

  #back() {
    history.pushState(null, "", "/");
    this.#leave();
  }

  #leave() {
    this.#frame.classList.remove("in-thread");
    this.#panel.close();
    this.#chat.select(null);
    this.#sidebar.focus();
  }

  #onAddress() {
    this.#wanted = linked();
    if (this.#wanted) this.draw();
    else if (this.#chat.open) this.#leave();
  }

  // A link leads to a conversation of ours, or to one that may be joined.
  async #follow() {
    const id = this.#wanted;
    this.#wanted = null;
    if (this.#chat.store.get(id)) return this.#enter(id);
    await attempt(async () => {
      const info = await this.#chat.rest.conversation(id);
      showInvitation(this.#chat, info, (joined) => this.#select(joined));
    });
  }

  #person(user, anchor) {
    const { current } = this.#chat;
    const member = current.members?.find((one) => one.user === user);
    memberMenu(this.#chat, current, { user, role: member?.role }, anchor);
  }

  #onVisible() {
    this.#chat.focus();
    if (document.visibilityState !== "visible") return;
    this.#chat.seen();
    this.#chat.connection.hurry();
  }

  #onKey(event) {
    const command = (event.ctrlKey || event.metaKey) && !event.altKey;
    const key = event.key.toLowerCase();
    if (document.querySelector("dialog[open]")) return;
    if (command && !event.shiftKey && key === "k") {
      event.preventDefault();
      this.#frame.classList.remove("in-thread");
      this.#sidebar.search();
    } else if (command && event.shiftKey && key === "l") {
      event.preventDefault();
      this.#sidebar.toggleLook();
    } else if (command && key === "/") {
      event.preventDefault();
      showHelp();
    } else if (event.altKey && (key === "arrowup" || key === "arrowdown")) {
      event.preventDefault();
      const id = this.#sidebar.neighbour(key === "arrowdown" ? 1 : -1, { calling: event.shiftKey });
      if (id) this.#select(id);
    } else if (key === "escape" && !document.querySelector("[popover]:popover-open:not(#toasts)")) {
      this.#onEscape();
    }
  }

  // One thing at a time, the innermost first.
  #onEscape() {
    if (this.#sidebar.clearSearch()) this.#thread.focus();
    else if (this.#thread.cancel()) return;
    else if (this.#panel.close()) this.draw();
    else if (this.#frame.classList.contains("in-thread") && matchMedia("(max-width: 720px)").matches) this.#back();
  }
}

/** The conversation that the address names. */
function linked() {
  const id = /^#c\/(\w+)$/.exec(location.hash)?.[1];
  return id && isId(id) ? id : null;
}
