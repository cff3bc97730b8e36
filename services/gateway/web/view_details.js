// All about one conversation: what it is called, who is in it, what one may do with it.

import { avatar, copy, h, icon, reconcile } from "./dom.js";
import { pauseWords } from "./pace.js";
import { may } from "./rights.js";
import { leave, linkTo } from "./view_conversation_menu.js";
import { confirm, idLine } from "./view_dialog.js";
import { MemberList } from "./view_members.js";
import { face, presenceWords } from "./view_presence.js";
import { showRights } from "./view_rights.js";
import { showSettings } from "./view_settings.js";

/** For the panel. */
export class Details {
  #chat;
  #conversation;
  #card = h("section", { class: "panel-part" });
  #members;
  #foot = h("section", { class: "panel-part" });

  constructor(chat, conversation) {
    this.#chat = chat;
    this.#conversation = conversation;
    this.#members = new MemberList(chat, conversation);
    this.element = h("div", {}, this.#card, this.#members.element, this.#foot);
  }

  draw() {
    this.#drawCard();
    this.#members.draw();
    this.#drawFoot();
  }

  #drawCard() {
    const { info, peer, id } = this.#conversation;
    const title = this.#chat.title(this.#conversation);
    const words = peer
      ? [this.#chat.users.handle(peer), presenceWords(this.#chat, peer)].filter(Boolean).join(" · ")
      : kindWords(info);
    const picture = peer ? this.#chat.users.picture(peer) : info.avatar_url;
    const edit = { class: "quiet small", type: "button" };
    const make = () =>
      h(
        "div",
        { class: "details-card" },
        peer ? face(this.#chat, peer) : avatar(id, title, picture),
        h("h3", {}, title),
        h("p", { class: "hint" }, words),
        info.topic ? h("p", { class: "topic" }, info.topic) : null,
        may("manage", info) && info.kind !== "direct"
          ? h(
              "div",
              { class: "details-acts" },
              h(
                "button",
                { ...edit, id: "edit-conversation", onclick: () => showSettings(this.#chat, this.#conversation) },
                icon("edit"),
                "Edit",
              ),
              h(
                "button",
                { ...edit, id: "edit-rights", onclick: () => showRights(this.#chat, this.#conversation) },
                icon("star"),
                "Rights",
              ),
            )
          : null,
      );
    const dot = this.#chat.presence.of(peer)?.state;
    const state = JSON.stringify([title, words, info.topic, picture, info.role, dot]);
    reconcile(this.#card, [{ key: "card", state, make }]);
  }

  #drawFoot() {
    const { info, id } = this.#conversation;
    const make = () =>
      h(
        "div",
        { class: "details-foot" },
        info.visibility === "public"
          ? h(
              "button",
              { class: "row-button", type: "button", onclick: () => copy(linkTo(id)) },
              icon("link"),
              "Copy the link to join",
            )
          : null,
        idLine("Conversation id", id),
        info.kind === "direct"
          ? null
          : h(
              "button",
              {
                class: "row-button danger-row",
                type: "button",
                id: "leave",
                onclick: () => leave(this.#chat, this.#conversation),
              },
              icon("leave"),
              "Leave",
            ),
        may("delete_conversation", info) && info.kind !== "direct"
          ? h(
              "button",
              {
                class: "row-button danger-row",
                type: "button",
                id: "delete-conversation",
                onclick: () => this.#delete(),
              },
              icon("trash"),
              "Delete for everybody",
            )
          : null,
      );
    reconcile(this.#foot, [{ key: "foot", state: [info.visibility, info.role].join("|"), make }]);
  }

  #delete() {
    const title = this.#chat.title(this.#conversation);
    const text = "All its messages are removed, for everybody, for good.";
    confirm(`Delete ${title}?`, text, "Delete", () => this.#chat.actions.deleteConversation(this.#conversation));
  }
}

function kindWords({ kind, visibility, slow_mode_s: pause }) {
  const name = kind === "broadcast" ? "broadcast" : "group";
  const who = visibility === "public" ? `Public ${name}: everybody with the link may join` : `Private ${name}`;
  return pause > 0 ? `${who} · slow mode: ${pauseWords(pause)}` : who;
}
