// A new conversation, or one that is joined.

import { avatar, field, h } from "./dom.js";
import { isId } from "./ids.js";
import { choice, show } from "./view_dialog.js";
import { People } from "./view_people.js";

/** Direct, group or broadcast, with people from the start. */
export function showCreate(chat, created) {
  const kinds = [
    ["direct", "Direct"],
    ["group", "Group"],
    ["broadcast", "Broadcast"],
  ];
  const visibilities = [
    ["private", "Private"],
    ["public", "Public"],
  ];
  const kind = choice("kind", kinds, "group", update);
  const visibility = choice("visibility", visibilities, "private", update);
  const title = h("input", { id: "title", type: "text", maxlength: 128, autocomplete: "off", placeholder: "Design" });
  const topic = h("input", {
    id: "topic",
    type: "text",
    maxlength: 1_024,
    autocomplete: "off",
    placeholder: "Optional",
  });
  const titleField = field("title", "Title", title);
  const topicField = field("topic", "Topic", topic);
  const visibilityField = field(null, "Who can join", visibility.element, h("p", { class: "hint" }));
  const kindField = h("div", { class: "field" }, kind.element, h("p", { class: "hint" }));
  const people = new People(chat, "With");
  const submit = h("button", { class: "primary", type: "submit", id: "create" }, "Create");
  const parts = [kindField, titleField, topicField, visibilityField, people.element];
  const close = show("New conversation", parts, [submit], async () => {
    const options = {
      kind: kind.value,
      title: title.value.trim(),
      topic: topic.value.trim(),
      visibility: visibility.value,
      members: people.ids,
    };
    if (options.kind === "direct" && options.members.length !== 1)
      throw new Error("Choose the one person to talk with.");
    const id = await chat.actions.create(options);
    close();
    created(id);
  });
  update();

  function update() {
    const direct = kind.value === "direct";
    titleField.hidden = topicField.hidden = visibilityField.hidden = direct;
    people.most = direct ? 1 : 100;
    kindField.querySelector(".hint").textContent = {
      direct: "You and one other person.",
      group: "Everybody writes and reads.",
      broadcast: "A few write, any number read.",
    }[kind.value];
    visibilityField.querySelector(".hint").textContent =
      visibility.value === "public" ? "Everybody who has its link or id." : "Only people who are added.";
  }
}

/** Public conversations are joined by their link or id. */
export function showJoin(chat, joined) {
  const props = { autocomplete: "off", spellcheck: "false", class: "mono", autofocus: true };
  const id = h("input", {
    id: "join-id",
    type: "text",
    maxlength: 300,
    placeholder: `${location.origin}/#c/…`,
    ...props,
  });
  const submit = h("button", { class: "primary", type: "submit" }, "Join");
  const hint = h("p", { class: "hint" }, "Its members find both under “Members and details”.");
  const parts = [field("join-id", "Link or id of a public conversation", id), hint];
  const close = show("Join a conversation", parts, [submit], async () => {
    const wanted = id.value.trim().split(/[/#]/).at(-1).toUpperCase();
    if (!isId(wanted)) throw new Error("That is no link to a conversation. An id has 26 characters.");
    await chat.actions.join(wanted);
    close();
    joined(wanted);
  });
}

/** Somebody followed a link to a public conversation: what it is, and whether to join. */
export function showInvitation(chat, info, joined) {
  const title = chat.title({ info, id: info.id, peer: null });
  const count = info.members_count;
  const card = h(
    "div",
    { class: "details-card" },
    avatar(info.id, title, info.avatar_url),
    h("h3", {}, title),
    h("p", { class: "hint" }, info.kind === "group" ? `${count} ${count === 1 ? "member" : "members"}` : "Broadcast"),
    info.topic ? h("p", { class: "topic" }, info.topic) : null,
  );
  const submit = h("button", { class: "primary", type: "submit", id: "join-now" }, "Join");
  const close = show("Join this conversation?", [card], [submit], async () => {
    await chat.actions.join(info.id);
    close();
    joined(info.id);
  });
}
