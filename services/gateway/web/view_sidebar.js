// The left side: conversations, search, and how the connection is.

import { h, icon, reconcile } from "./dom.js";
import { isDark, setLook } from "./look.js";
import { conversationRow } from "./view_conversation_row.js";
import { conversationMenu } from "./view_conversation_menu.js";
import { attempt } from "./view_dialog.js";
import { FoundPeople } from "./view_found_people.js";
import { face, presenceWords } from "./view_presence.js";

const STOPPED = { 4502: "Account suspended", 4504: "Reload this page", 4506: "In use on other devices" };
const FILTERS = [
  ["all", "All"],
  ["unread", "Unread"],
  ["archived", "Archive"],
];
const ON_SCREEN = 60;
const STEP = 150; // rows made at once: more when somebody scrolls to them
const NEAR_PX = 400;

/** Pinned ones, then the newest; typing in the search field filters by name. */
export class Sidebar {
  #chat;
  #on;
  #filter = "all";
  #most = STEP;
  #search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search",
    "aria-label": "Search conversations and people",
    "aria-keyshortcuts": "Control+K",
    autocomplete: "off",
    oninput: () => this.draw(),
    onkeydown: (event) => this.#onSearchKey(event),
  });
  #list = h("ul", {
    class: "conversations",
    "aria-label": "Conversations",
    onkeydown: (event) => this.#onListKey(event),
    oncontextmenu: (event) => this.#onContext(event),
    onclick: (event) => this.#onClick(event),
    onscroll: () => this.#onScroll(),
  });
  #filters = h("div", { class: "filters", role: "group", "aria-label": "Show" });
  #people;
  #empty = h("div", { class: "sidebar-empty" });
  #status = h("div", { class: "status", id: "status", role: "status" });
  #profile = h("button", {
    class: "profile",
    onclick: () => this.#on.profile(),
    "aria-label": "Your profile and settings",
  });
  #look = h("button", { class: "icon-button", id: "look", type: "button", onclick: () => this.toggleLook() });
  #countdown = null;

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
    this.#people = new FoundPeople(chat, (user) => this.#talk(user));
    const create = { class: "icon-button", id: "new", title: "New conversation", "aria-label": "New conversation" };
    const join = {
      class: "icon-button",
      id: "join",
      title: "Join by link",
      "aria-label": "Join a conversation by its link",
    };
    for (const [name, label] of FILTERS) {
      const onclick = () => {
        this.#filter = name;
        this.draw();
      };
      this.#filters.append(h("button", { type: "button", "data-filter": name, onclick }, label));
    }
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
      this.#filters,
      this.#list,
      this.#people.element,
      this.#empty,
      h("footer", { class: "sidebar-foot" }, h("div", { class: "foot-line" }, this.#profile, this.#look), this.#status),
    );
  }

  draw() {
    const shown = this.#shown();
    const tabbed = shown.find(({ id }) => id === this.#chat.open) ?? shown[0];
    this.#chat.presence.want(shown.slice(0, ON_SCREEN).flatMap(({ peer }) => (peer ? [peer] : [])));
    reconcile(
      this.#list,
      shown.slice(0, this.#most).map((one) => conversationRow(this.#chat, one, one === tabbed)),
    );
    this.#people.search(this.#search.value.trim().toLowerCase());
    this.#people.draw();
    this.#drawFilters();
    this.#drawEmpty(shown.length + (this.#people.element.hidden ? 0 : 1));
    this.#drawProfile();
    this.#drawLook();
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

  /** The conversation `step` below the open one; or the next one that calls. */
  neighbour(step, { calling = false } = {}) {
    const shown = this.#shown();
    const place = shown.findIndex(({ id }) => id === this.#chat.open);
    if (!calling) return shown[Math.min(Math.max(place + step, 0), shown.length - 1)]?.id;
    const after = [...shown.slice(place + 1), ...shown.slice(0, place + 1)];
    return after.find((one) => this.#chat.store.calls(one) && one.id !== this.#chat.open)?.id;
  }

  toggleLook() {
    setLook(isDark() ? "light" : "dark");
    this.#drawLook();
  }

  #shown() {
    const wanted = this.#search.value.trim().toLowerCase();
    const all = this.#chat.store.list();
    if (wanted) {
      return all.filter(
        (one) => this.#chat.title(one).toLowerCase().includes(wanted) || one.id.toLowerCase() === wanted,
      );
    }
    const archived = ({ info }) => info.settings?.archived === true;
    if (this.#filter === "archived") return all.filter(archived);
    const here = all.filter((one) => !archived(one) || one.id === this.#chat.open);
    return this.#filter === "unread" ? here.filter((one) => one.unread.count > 0 || one.id === this.#chat.open) : here;
  }

  #drawFilters() {
    const all = this.#chat.store.list();
    const some = all.some(({ info }) => info.settings?.archived);
    this.#filters.hidden = all.length === 0 || this.#search.value.trim() !== "";
    for (const button of this.#filters.children) {
      const { filter } = button.dataset;
      button.setAttribute("aria-pressed", String(filter === this.#filter));
      if (filter === "archived") button.hidden = !some && this.#filter !== "archived";
    }
  }

  #drawEmpty(count) {
    const { status, list } = this.#chat;
    const waiting = !list.known && status.name !== "waiting" && status.name !== "stopped";
    const searching = this.#search.value.trim() !== "";
    const filtered = { unread: "All read.", archived: "Nothing is archived." }[this.#filter];
    const state =
      count > 0 ? "none" : searching ? "nothing" : filtered && list.known ? "filtered" : waiting ? "loading" : "empty";
    const make = {
      none: () => h("div", { hidden: true }),
      nothing: () => h("div", {}, "No conversation is called so."),
      filtered: () => h("div", {}, filtered),
      loading: () => h("div", { class: "spinner", role: "progressbar", "aria-label": "Loading" }),
      empty: () =>
        h(
          "div",
          {},
          h("p", {}, "No conversations yet."),
          h("button", { class: "primary", onclick: this.#on.create }, icon("plus"), "Start one"),
        ),
    }[state];
    reconcile(this.#empty, [{ key: "empty", state: state + (filtered ?? ""), make }]);
  }

  #drawProfile() {
    const { users, me, presence } = this.#chat;
    presence.want([me]);
    const [name, handle] = [users.name(me), users.handle(me)];
    const how = presence.of(me);
    const about = (how?.text && presenceWords(this.#chat, me)) || handle;
    const words = h("span", { class: "profile-name" }, h("strong", {}, name), h("span", {}, about));
    const make = () => h("span", { class: "profile-inner" }, face(this.#chat, me), words);
    reconcile(this.#profile, [{ key: "me", state: [name, about, how?.state, users.picture(me)].join("|"), make }]);
  }

  #drawLook() {
    const dark = isDark();
    const label = dark ? "Light look" : "Dark look";
    this.#look.title = label;
    this.#look.setAttribute("aria-label", label);
    reconcile(this.#look, [{ key: "look", state: dark, make: () => icon(dark ? "sun" : "moon") }]);
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

  async #talk(user) {
    this.#search.value = "";
    await attempt(async () => this.#on.select(await this.#chat.actions.talkTo(user)));
  }

  #again() {
    if (this.#chat.status.name === "stopped") this.#chat.connection.start();
    else this.#chat.connection.hurry();
  }

  #onClick({ target }) {
    const id = target.closest("li")?.dataset.id;
    const conversation = this.#chat.store.get(id);
    if (!conversation) return;
    const more = target.closest(".conversation-more");
    if (more) conversationMenu(this.#chat, conversation, more);
    else if (target.closest(".conversation")) this.#on.select(id);
  }

  #onScroll() {
    const { scrollHeight, scrollTop, clientHeight, childElementCount } = this.#list;
    if (scrollHeight - scrollTop - clientHeight > NEAR_PX || childElementCount < this.#most) return;
    this.#most += STEP;
    this.draw();
  }

  #onContext(event) {
    const row = event.target.closest("li");
    const conversation = this.#chat.store.get(row?.dataset.id);
    if (!conversation) return;
    event.preventDefault();
    conversationMenu(this.#chat, conversation, row.querySelector(".conversation-more"));
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
      if (!first) return this.#people.element.querySelector("button")?.click();
      this.#search.value = "";
      this.#on.select(first.id);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      (this.#list.querySelector("button") ?? this.#people.element.querySelector("button"))?.focus();
    }
  }
}
