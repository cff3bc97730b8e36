// All about one conversation: what it is called, who is in it, what one may do with it.

import { avatar, copy, field, h, icon, reconcile, toast } from "./dom.js";
import { may } from "./rights.js";
import { leave, linkTo } from "./view_conversation_menu.js";
import { attempt, choice, confirm, idLine, show } from "./view_dialog.js";
import { MemberList } from "./view_members.js";
import { face, presenceWords } from "./view_presence.js";

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
    const edit = { class: "quiet small", type: "button", id: "edit-conversation" };
    const make = () =>
      h(
        "div",
        { class: "details-card" },
        peer ? face(this.#chat, peer) : avatar(id, title, picture),
        h("h3", {}, title),
        h("p", { class: "hint" }, words),
        info.topic ? h("p", { class: "topic" }, info.topic) : null,
        may("manage", info) && info.kind !== "direct"
          ? h("button", { ...edit, onclick: () => showSettings(this.#chat, this.#conversation) }, icon("edit"), "Edit")
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

function kindWords({ kind, visibility }) {
  const name = kind === "broadcast" ? "broadcast" : "group";
  return visibility === "public" ? `Public ${name}: everybody with the link may join` : `Private ${name}`;
}

/** Title, topic, picture, who may join; refused if somebody else changed it meanwhile. */
function showSettings(chat, conversation) {
  const { info } = conversation;
  const text = (id, value, props) =>
    h("input", { id, type: "text", autocomplete: "off", value: value ?? "", ...props });
  const title = text("edit-title", info.title, { maxlength: 128 });
  const topic = h("textarea", { id: "edit-topic", rows: 3, maxlength: 1_024 });
  topic.value = info.topic ?? "";
  const picture = text("edit-picture", info.avatar_url, { type: "url", maxlength: 512, placeholder: "https://…" });
  const options = [
    ["private", "Private"],
    ["public", "Public"],
  ];
  const visibility = choice("visibility", options, info.visibility, () => {});
  const parts = [
    field("edit-title", "Title", title),
    field("edit-topic", "Topic", topic),
    field("edit-picture", "Address of a picture", picture),
    field(null, "Who can join", visibility.element),
  ];
  // What was read is what is changed: its version goes along.
  let { version } = info;
  const submit = h("button", { class: "primary", type: "submit", id: "save" }, "Save");
  const close = show("Edit the conversation", parts, [submit], async () => {
    const filled = (input) => input.value.trim() || null;
    const body = {
      title: filled(title),
      topic: filled(topic),
      avatar_url: filled(picture),
      visibility: visibility.value,
    };
    try {
      await chat.actions.change(conversation, body, version);
    } catch (problem) {
      if (problem.code !== "precondition_failed") throw problem;
      await attempt(async () => ({ version } = await chat.rest.conversation(conversation.id)));
      throw new Error("Somebody changed it meanwhile. Save again to replace what they set.");
    }
    close();
    toast("Saved.");
  });
}
