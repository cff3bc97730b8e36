// A user's own events: what they or others did to their account, on whatever device.

/** What it is called when one is no longer in a conversation, by the reason; leaving needs no words. */
export const LEFT = { removed: "You were removed from", banned: "You were banned from", deleted: "Deleted:" };

/** `patiently(work)` tries until it works or cannot. */
export function applyFeed(chat, { event, data, at }, patiently) {
  switch (event) {
    case "conversation.added":
      return void patiently(() => chat.list.load());
    case "conversation.removed":
      return chat.gone(data.conversation);
    case "settings.updated":
      return chat.store.set(data);
    case "user.updated":
      return chat.putMe(data);
    case "block.added":
    case "block.removed":
      return chat.blocks.onChange({ event, data, at });
    default:
  }
}
