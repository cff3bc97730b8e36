// The right side: one conversation, its history, and the field to write in.

import { avatar, clockTime, dayName, h, icon, linked, reconcile } from "./dom.js";

const TOGETHER_MS = 5 * 60_000;
const NEAR_PX = 80;
const TEXT_CHARS = 8_000;
const FAILED = {
  forbidden: "You may not write here.",
  not_a_member: "You are not a member any more.",
  not_found: "This conversation is gone.",
  blocked: "You cannot write to this person.",
  too_large: "The message is too long.",
  outcome_unknown: "The server did not confirm it.",
};

/** Messages with the newest at the bottom; scrolling up reads older ones. */
export class Thread {
  #chat;
  #on;
  #shown = null;
  #drafts = new Map();
  #head = h("header", { class: "thread-head" });
  #banner = h("div", { class: "banner", role: "status" });
  #rows = h("ol", { class: "rows" });
  #scroll = h("div", { class: "scroll", role: "log", "aria-label": "Messages", tabindex: 0, onscroll: () => this.#onScroll() }, this.#rows);
  #jump = h("button", { class: "jump", hidden: true, onclick: () => this.#toBottom() }, icon("down"), "Newest");
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
  #send = h("button", { class: "send", type: "submit", id: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
  #composer = h("form", { class: "composer", onsubmit: (event) => this.#onSubmit(event) }, this.#text, this.#count, this.#send);
  #readOnly = h("p", { class: "read-only", hidden: true }, "Only senders can write in this broadcast.");
  #body;
  #nothing;

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
    const body = h("div", { class: "thread-body" }, this.#banner, this.#scroll, this.#jump);
    this.#body = h("div", { class: "thread-open" }, this.#head, body, this.#readOnly, this.#composer);
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

  #stick = true;

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
    this.#composer.hidden = silent;
    this.#readOnly.hidden = !silent;
  }

  focus() {
    if (this.#chat.current && !this.#composer.hidden) this.#text.focus();
  }

  #enter(id) {
    this.#shown = id;
    this.#stick = true;
    this.#rows.replaceChildren();
    this.#text.value = this.#drafts.get(id) ?? "";
    this.#onInput();
  }

  #drawHead(conversation) {
    const { info, peer, id } = conversation;
    const title = this.#chat.title(conversation);
    const kind = { direct: "Direct", group: "Group", broadcast: "Broadcast" }[info.kind];
    const count = info.kind === "direct" || !info.members_count ? null : `${info.members_count} ${info.members_count === 1 ? "member" : "members"}`;
    const handle = peer ? this.#chat.users.handle(peer) : "";
    const about = [handle || kind, count, info.visibility === "public" ? "public" : null, info.topic].filter(Boolean).join(" · ");
    const make = () =>
      h(
        "div",
        { class: "thread-head-inner" },
        h("button", { class: "icon-button back", "aria-label": "Back", onclick: this.#on.back }, icon("back")),
        avatar(peer ?? id, title),
        h("div", { class: "thread-title" }, h("h2", {}, title), h("p", {}, about)),
        h(
          "button",
          { class: "icon-button", id: "details", title: "Members and details", "aria-label": "Members and details", onclick: this.#on.details },
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
    const rows = [this.#historyRow(conversation), ...this.#messageRows(conversation)];
    reconcile(this.#rows, rows);
    if (fresh || this.#stick) this.#toBottom();
    else if (anchor?.isConnected) box.scrollTop = anchor.offsetTop - offset;
    if (!this.#stick && last !== rows.at(-1).key) this.#jump.classList.add("news");
    if (this.#chat.history.state === "idle" && box.scrollHeight <= box.clientHeight) this.#older();
  }

  #historyRow({ timeline, info }) {
    const { history, status } = this.#chat;
    let state = "";
    if (history.state === "failed") state = "failed";
    else if (timeline.state !== "loaded" && timeline.rows.length === 0) state = status.name === "live" ? "loading" : "waiting";
    else if (timeline.complete) state = timeline.rows.length === 0 ? "empty" : "start";
    else if (history.state === "loading") state = "loading";
    const make = () => {
      switch (state) {
        case "loading":
          return h("li", { class: "history" }, h("span", { class: "spinner", role: "progressbar", "aria-label": "Loading" }));
        case "failed": {
          const again = h("button", { class: "link", onclick: () => this.#older() }, "Try again");
          return h("li", { class: "history" }, "Older messages cannot be read right now. ", again);
        }
        case "waiting":
          return h("li", { class: "history" }, "Messages appear as soon as there is a connection.");
        case "start":
          return h("li", { class: "history" }, "This is where it began.");
        case "empty":
          return h(
            "li",
            { class: "history nothing-yet" },
            h("strong", {}, "Nothing here yet"),
            h("span", {}, info.kind === "direct" ? "Say hello." : "Write the first message, or add people from the top right."),
          );
        default:
          return h("li", { class: "history" });
      }
    };
    return { key: "history", state, make };
  }

  #messageRows({ id, timeline }) {
    const rows = [];
    let day = null;
    let before = null;
    const pending = this.#chat.outbox.of(id).map((entry) => ({ ...entry, by: this.#chat.me, pending: true }));
    for (const row of [...timeline.rows, ...pending]) {
      const today = dayName(row.at);
      if (today !== day) {
        day = today;
        before = null;
        rows.push(this.#dayRow(row, today));
      }
      rows.push(row.notice ? this.#noticeRow(row) : this.#messageRow(row, before));
      before = row;
    }
    return rows;
  }

  // Order is by position and days are by clocks, so a day may come twice: the row below names it.
  #dayRow({ seq, client_id }, day) {
    return { key: `day ${seq ?? client_id}`, state: day, make: () => h("li", { class: "day" }, h("span", {}, day)) };
  }

  #messageRow(row, before) {
    const { me, users } = this.#chat;
    const mine = row.by === me;
    const together = before && !before.notice && before.by === row.by && Date.parse(row.at) - Date.parse(before.at) < TOGETHER_MS;
    const name = users.name(row.by);
    const state = row.pending ? row.state : "done";
    const classes = ["message", mine ? "mine" : "theirs", together ? "" : "first", state].filter(Boolean).join(" ");
    const make = () =>
      h(
        "li",
        { class: classes, "data-client-id": row.client_id, "data-seq": row.seq, "data-state": state },
        mine ? null : together ? h("span", { class: "avatar-space" }) : avatar(row.by, name),
        h(
          "div",
          { class: "bubble" },
          together || mine ? h("span", { class: "sr-only" }, `${name}: `) : h("span", { class: "author" }, name),
          row.deleted
            ? h("span", { class: "text deleted" }, "Message deleted")
            : h("span", { class: "text" }, ...linked(row.text ?? "")),
          h("span", { class: "meta" }, row.edited_at ? "edited " : "", h("time", { datetime: row.at, title: new Date(row.at).toLocaleString() }, clockTime(row.at)), mine ? this.#tick(state) : null),
        ),
        state === "failed" ? this.#failedActions(row) : null,
      );
    const key = mine ? `mine ${row.client_id}` : `seq ${row.seq}`;
    return { key, state: JSON.stringify([classes, name, row.text, row.deleted, row.edited_at, row.at, row.code, row.seq]), make };
  }

  #tick(state) {
    const [name, words] = { done: ["check", "Sent"], failed: ["alert", "Not sent"] }[state] ?? ["clock", "Waiting to be sent"];
    return h("span", { class: "tick", title: words }, icon(name), h("span", { class: "sr-only" }, words));
  }

  #failedActions({ client_id, code }) {
    const { outbox } = this.#chat;
    return h(
      "div",
      { class: "failed-actions", role: "alert" },
      `Not sent. ${FAILED[code] ?? ""} `,
      h("button", { class: "link", onclick: () => outbox.retry(client_id) }, "Retry"),
      " · ",
      h("button", { class: "link", onclick: () => outbox.discard(client_id) }, "Delete"),
    );
  }

  #noticeRow({ seq, by, notice, data }) {
    const { users } = this.#chat;
    const [actor, subject] = [users.name(by), users.name(data?.user ?? by)];
    const self = data?.user === undefined || data.user === by;
    const text = {
      "conversation.created": `${actor} created this conversation`,
      "conversation.updated": `${actor} changed the conversation`,
      "member.joined": self ? `${subject} joined` : `${actor} added ${subject}`,
      "member.left": self ? `${subject} left` : `${actor} removed ${subject}`,
      "member.updated": `${subject} is now ${data?.role}`,
    }[notice];
    return { key: `seq ${seq}`, state: text, make: () => h("li", { class: "notice" }, text) };
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

  #onInput() {
    const chars = [...this.#text.value].length;
    this.#count.textContent = chars > TEXT_CHARS * 0.9 ? `${chars} / ${TEXT_CHARS}` : "";
    this.#count.classList.toggle("over", chars > TEXT_CHARS);
    this.#send.disabled = this.#text.value.trim() === "" || chars > TEXT_CHARS;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    this.#text.classList.toggle("tall", this.#text.scrollHeight > this.#text.offsetHeight);
    if (this.#shown) this.#drafts.set(this.#shown, this.#text.value);
  }

  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#composer.requestSubmit();
  }

  #onSubmit(event) {
    event.preventDefault();
    this.#onInput();
    if (this.#send.disabled) return;
    const text = this.#text.value.trim();
    this.#text.value = "";
    this.#onInput();
    this.#stick = true;
    this.#chat.send(text);
    this.#text.focus();
  }
}
