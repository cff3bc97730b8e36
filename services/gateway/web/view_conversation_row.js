// One conversation in the list: who, the last words, what is new.

import { avatar, h, icon, shortTime } from "./dom.js";
import { toLine } from "./mentions.js";
import { shownCount } from "./unread.js";
import { face } from "./view_presence.js";

/** One row is reached by Tab, the others by arrows: `tabbed` says which. */
export function conversationRow(chat, conversation, tabbed) {
  const { store, users, open, presence } = chat;
  const { id, info, last, unread, peer } = conversation;
  const title = chat.title(conversation);
  const muted = store.isMuted(conversation);
  const failed = chat.outbox.of(id).some(({ state }) => state === "failed");
  const typists = chat.typing.of(id);
  const preview = typists.length > 0 ? typingWords(chat, info, typists) : lastWords(chat, conversation);
  const when = last ? shortTime(last.at) : "";
  const news = unread.count > 0;
  const picture = peer ? users.picture(peer) : info.avatar_url;
  const pinned = info.settings?.pinned ?? false;
  const flags = { open: id === open, news, muted, typing: typists.length > 0 };
  const classes = ["conversation", ...Object.keys(flags).filter((flag) => flags[flag])].join(" ");
  const make = () =>
    h(
      "li",
      { "data-id": id },
      h(
        "button",
        {
          class: classes,
          type: "button",
          tabindex: tabbed ? 0 : -1,
          "data-id": id,
          "aria-current": id === open ? "true" : undefined,
        },
        peer ? face(chat, peer) : avatar(id, title, picture),
        h("span", { class: "conversation-title" }, title),
        h(
          "span",
          { class: "conversation-time" },
          pinned ? icon("pin") : null,
          muted ? icon("bell-off") : null,
          info.kind === "broadcast" ? icon("megaphone") : null,
          when,
        ),
        h("span", { class: "conversation-preview" }, preview),
        h("span", { class: "badges" }, ...badges(unread, { failed, muted })),
      ),
      h(
        "button",
        {
          class: "conversation-more",
          type: "button",
          tabindex: -1,
          "aria-haspopup": "menu",
          "aria-label": `More about ${title}`,
        },
        icon("more"),
      ),
    );
  const state = [title, classes, tabbed, preview, when, unread.count, unread.mentions, failed, picture, pinned];
  return { key: id, state: JSON.stringify([...state, presence.of(peer)?.state]), make };
}

function badges({ count, mentions }, { failed, muted }) {
  if (failed) return [h("span", { class: "badge failed", title: "Not sent" }, "!")];
  const shown = [];
  if (mentions > 0) {
    const words = `${shownCount(mentions)} ${mentions === 1 ? "mention" : "mentions"}`;
    shown.push(h("span", { class: "badge mention-badge", title: words, "aria-label": words }, "@"));
  }
  if (count > 0) {
    const words = `${shownCount(count)} unread`;
    shown.push(
      h("span", { class: muted ? "badge quiet-badge" : "badge", title: words, "aria-label": words }, shownCount(count)),
    );
  }
  return shown;
}

function lastWords({ me, users }, { info, last }) {
  if (!last) return info.topic || "No messages yet";
  const who = last.by === me ? "You: " : info.kind === "direct" ? "" : `${users.name(last.by)}: `;
  if (last.deleted) return `${who}Message deleted`;
  return `${who}${toLine(last.text, (id) => users.name(id)) || (last.forwarded ? "Forwarded message" : "")}`;
}

function typingWords({ users }, { kind }, [first, ...others]) {
  if (kind === "direct") return "typing…";
  return others.length > 0 ? "Several people are typing…" : `${users.name(first)} is typing…`;
}
