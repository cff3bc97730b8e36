// What one may set for a conversation of one's own: on top, silent, out of the way; or leave it.

import { copy } from "./dom.js";
import { attempt, confirm } from "./view_dialog.js";
import { menu } from "./view_menu.js";

const HOUR_MS = 3_600_000;
const FOR_EVER = "9999-12-31T00:00:00.000Z";

/** A link that opens a conversation, or lets one join it. */
export const linkTo = (id) => `${location.origin}/#c/${id}`;

/** Opens beside `anchor`. */
export function conversationMenu(chat, conversation, anchor) {
  const { actions, store } = chat;
  const { settings = {}, kind, visibility } = conversation.info;
  const set = (change) => () => attempt(() => actions.setOwn(conversation, change));
  const muted = store.isMuted(conversation);
  const notify = settings.notify ?? "all";
  const row = (name, icon, label, act, more) => ({ name, icon, label, act, ...more });
  const mute = muted
    ? [row("unmute", "bell", "Unmute", set({ muted_until: null, notify: "all" }))]
    : [
        row("mute-hour", "bell-off", "Mute for an hour", set({ muted_until: inMs(HOUR_MS) })),
        row("mute-day", "bell-off", "Mute for a day", set({ muted_until: inMs(24 * HOUR_MS) })),
        row("mute", "bell-off", "Mute", set({ muted_until: FOR_EVER })),
      ];
  const onlyMentions = notify === "mentions";
  const rows = [
    row("read", "check", "Mark as read", () => actions.markRead(conversation)),
    row("pin", "pin", settings.pinned ? "Unpin from the top" : "Pin to the top", set({ pinned: !settings.pinned })),
    row("archive", "archive", settings.archived ? "Bring back" : "Archive", set({ archived: !settings.archived })),
    null,
    ...mute,
    kind !== "direct" &&
      row("mentions", "at", "Only mentions count", set({ notify: onlyMentions ? "all" : "mentions" }), {
        on: onlyMentions,
      }),
    visibility === "public" ? null : false,
    visibility === "public" && row("link", "link", "Copy the link", () => copy(linkTo(conversation.id))),
    kind !== "direct" ? null : false,
    kind !== "direct" && row("leave", "leave", "Leave…", () => leave(chat, conversation), { danger: true }),
  ];
  menu(
    anchor,
    rows.filter((one) => one !== false),
    { label: "Conversation" },
  );
}

/** Asks, then leaves. */
export function leave(chat, conversation) {
  const back = conversation.info.visibility === "public" ? "You can join again." : "Somebody has to add you again.";
  confirm(`Leave ${chat.title(conversation)}?`, back, "Leave", () => chat.actions.leave(conversation));
}

const inMs = (ms) => new Date(Date.now() + ms).toISOString();
