// Above the messages: what this conversation is, and what opens beside it.

import { avatar, h, icon, reconcile } from "./dom.js";
import { conversationMenu } from "./view_conversation_menu.js";
import { face, presenceWords } from "./view_presence.js";

const KINDS = { direct: "Direct", group: "Group", broadcast: "Broadcast" };

export class ThreadHead {
  element = h("header", { class: "thread-head" });
  #chat;
  #on;

  constructor(chat, on) {
    this.#chat = chat;
    this.#on = on;
  }

  draw(conversation) {
    const chat = this.#chat;
    const { info, peer, id } = conversation;
    const title = chat.title(conversation);
    const about = aboutOf(chat, conversation);
    const picture = peer ? chat.users.picture(peer) : info.avatar_url;
    if (peer) chat.presence.want([peer]);
    const dot = peer ? chat.presence.of(peer)?.state : "";
    const muted = chat.store.isMuted(conversation);
    const make = () =>
      h(
        "div",
        { class: "thread-head-inner" },
        h("button", { class: "icon-button back", "aria-label": "Back", onclick: this.#on.back }, icon("back")),
        h(
          "button",
          { class: "thread-about", type: "button", "aria-label": `About ${title}`, onclick: this.#on.details },
          peer ? face(chat, peer) : avatar(id, title, picture),
          h(
            "span",
            { class: "thread-title" },
            h("h2", {}, title, muted ? icon("bell-off") : null),
            h("span", { class: "thread-topic" }, about),
          ),
        ),
        this.#button("pins", "pin", "Pinned messages", this.#on.pins),
        this.#button("details", "people", "Members and details", this.#on.details),
        this.#button("more", "more", "More", (event) => conversationMenu(chat, chat.current, event.currentTarget)),
      );
    const state = [id, title, about, picture, dot, muted].join("|");
    reconcile(this.element, [{ key: "head", state, make }]);
  }

  #button(id, name, label, onclick) {
    return h(
      "button",
      { class: "icon-button", type: "button", id, title: label, "aria-label": label, onclick },
      icon(name),
    );
  }
}

function aboutOf(chat, { info, peer, id }) {
  if (info.kind === "direct")
    return [peer && chat.users.handle(peer), peer && presenceWords(chat, peer)].filter(Boolean).join(" · ");
  const count = info.members_count;
  const online = chat.presence.count(id);
  return [
    info.topic,
    info.kind === "group" && info.visibility !== "public" ? null : KINDS[info.kind],
    info.visibility === "public" ? "public" : null,
    count && info.kind === "group" ? `${count} ${count === 1 ? "member" : "members"}` : null,
    online ? `${online} online` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}
