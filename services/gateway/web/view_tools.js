// What can be done with a message: the bar that appears over it, its menu, and the keys that do the same.

import { copy, h, icon } from "./dom.js";
import { QUICK } from "./emoji.js";
import { may } from "./rights.js";
import { attempt, confirm } from "./view_dialog.js";
import { pickEmoji } from "./view_emoji.js";
import { showForward } from "./view_forward.js";
import { menu } from "./view_menu.js";
import { showReactors } from "./view_reactors.js";
import { mayErase } from "./view_selection.js";

const EDIT_WITHIN_MS = 24 * 3_600_000;

/**
 * One bar, which moves to the message that somebody points at. `on`: `{reply, edit, jump, source, profile}`, and the
 * `selection` of messages.
 */
export class Tools {
  #chat;
  #rows;
  #on;
  #bar;

  constructor(chat, rows, on) {
    this.#chat = chat;
    this.#rows = rows;
    this.#on = on;
    const tool = (name, label, act) => {
      const props = { class: "tool", type: "button", "data-act": name, title: label, "aria-label": label };
      return h("button", { ...props, onclick: act }, icon({ react: "smile", reply: "reply", more: "more" }[name]));
    };
    const quick = QUICK.slice(0, 3).map((emoji) =>
      h(
        "button",
        { class: "tool quick", type: "button", "data-emoji": emoji, "aria-label": `React with ${emoji}` },
        emoji,
      ),
    );
    this.#bar = h(
      "div",
      { class: "tools", role: "toolbar", "aria-label": "Message" },
      ...quick,
      tool("react", "Add a reaction"),
      tool("reply", "Reply"),
      tool("more", "More"),
    );
    const point = ({ target }) => this.#show(target.closest?.(".message"));
    rows.addEventListener("pointerover", point);
    rows.addEventListener("focusin", point);
    rows.addEventListener("click", (event) => this.#onClick(event));
    rows.addEventListener("keydown", (event) => this.#onKey(event));
    rows.addEventListener("contextmenu", (event) => this.#onContext(event));
  }

  #message(row) {
    return this.#chat.current?.timeline.find(row?.dataset.id);
  }

  #show(row) {
    const message = this.#message(row);
    if (!message || message.deleted) return void this.#bar.remove();
    if (this.#bar.parentElement !== row) row.append(this.#bar);
    const { info } = this.#chat.current;
    for (const button of this.#bar.querySelectorAll("[data-emoji], [data-act=react]"))
      button.hidden = !may("react", info);
    this.#bar.querySelector("[data-act=reply]").hidden = !may("send", info);
  }

  #onClick(event) {
    const { target } = event;
    const button = target.closest("button");
    const mention = target.closest(".mention[data-user]");
    const row = target.closest(".message");
    const chosen = this.#on.selection.isOpen ? this.#message(row) : null;
    if (chosen) {
      // One after the other, until they are deleted or let go.
      if (!chosen.deleted && this.#mayErase(chosen)) this.#on.selection.toggle(chosen);
      return;
    }
    if (mention) return this.#on.profile(mention.dataset.user, mention);
    if (!button || !row) return;
    const { profile, jump, emoji, act, source } = button.dataset;
    if (profile) return this.#on.profile(profile, button);
    if (jump) return this.#on.jump(jump);
    if (source) return this.#on.source(source, button.dataset.message);
    const message = this.#message(row);
    if (!message) return;
    if (emoji) this.#react(message, emoji);
    else if (act) this.#act(act, message, button);
  }

  #act(act, message, anchor) {
    if (act === "react") pickEmoji(anchor, (emoji) => this.#react(message, emoji));
    else if (act === "reactors") showReactors(this.#chat, this.#chat.current, message);
    else if (act === "reply") this.#on.reply(message);
    else if (act === "more") this.#menu(message, anchor);
  }

  #react(message, emoji) {
    const { current } = this.#chat;
    attempt(() => this.#chat.actions.react(current, message, emoji));
  }

  #mayEdit(message) {
    const young = Date.now() - Date.parse(message.at) < EDIT_WITHIN_MS;
    return message.by === this.#chat.me && young && may("edit_own", this.#chat.current.info) && !message.forward_of;
  }

  #mayErase(message) {
    return mayErase(this.#chat, this.#chat.current, message);
  }

  #menu(message, anchor) {
    const { current, actions } = this.#chat;
    const { info } = current;
    const row = (name, iconName, label, act, more) => ({ name, icon: iconName, label, act, ...more });
    const pinWords = message.pinned ? "Unpin" : "Pin to the conversation";
    menu(
      anchor,
      [
        may("send", info) && row("reply", "reply", "Reply", () => this.#on.reply(message)),
        this.#mayEdit(message) && row("edit", "edit", "Edit", () => this.#on.edit(message)),
        row("forward", "forward", "Forward…", () => showForward(this.#chat, current, message)),
        may("pin", info) && row("pin", "pin", pinWords, () => attempt(() => actions.pin(current, message))),
        message.reactions?.length > 0 &&
          row("reactors", "people", "Who reacted", () => showReactors(this.#chat, current, message)),
        row("copy", "copy", "Copy text", () => copy(this.#chat.members.toPlain(message))),
        this.#mayErase(message) ? null : false,
        this.#mayErase(message) && row("choose", "check", "Choose several", () => this.#on.selection.toggle(message)),
        this.#mayErase(message) && row("delete", "trash", "Delete…", () => this.#erase(message), { danger: true }),
      ].filter((one) => one !== false && one !== undefined),
    );
  }

  #erase(message) {
    const { current, actions } = this.#chat;
    confirm("Delete this message?", "It is removed for everybody. A trace that there was one stays.", "Delete", () =>
      actions.erase(current, message),
    );
  }

  #onContext(event) {
    const row = event.target.closest(".message");
    const message = this.#message(row);
    // Selected text and links have a menu of the browser's own.
    if (!message || message.deleted || event.target.closest("a") || String(getSelection())) return;
    event.preventDefault();
    this.#show(row);
    this.#menu(message, this.#bar.querySelector("[data-act=more]"));
  }

  // Arrows walk from message to message; letters act on the one that has the focus.
  #onKey(event) {
    const row = event.target.closest(".message");
    if (event.target !== row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      return this.#walk(row, event.key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling");
    }
    const message = this.#message(row);
    if (!message || message.deleted) return;
    const more = this.#bar.querySelector("[data-act=more]");
    const act = {
      r: () => this.#on.reply(message),
      e: () => this.#mayEdit(message) && this.#on.edit(message),
      "+": () => pickEmoji(more, (emoji) => this.#react(message, emoji)),
      x: () => this.#mayErase(message) && this.#on.selection.toggle(message),
      Delete: () => this.#mayErase(message) && this.#erase(message),
      Enter: () => this.#menu(message, more),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #walk(row, way) {
    let next = row[way];
    while (next && !next.classList.contains("message")) next = next[way];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }
}
