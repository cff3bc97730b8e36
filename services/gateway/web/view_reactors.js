// Who reacted to a message, and with what.

import { h } from "./dom.js";
import { everything } from "./routes.js";
import { attempt, show } from "./view_dialog.js";
import { avatarOf } from "./view_message.js";

export async function showReactors(chat, conversation, message) {
  const list = h("div", { class: "reactors" }, h("span", { class: "spinner" }));
  show("Reactions", [list], [], async () => {});
  await attempt(async () => {
    const all = await everything((cursor) => chat.rest.reactions(conversation.id, message.id, cursor));
    const byEmoji = Map.groupBy(all, ({ emoji }) => emoji);
    const draw = () => {
      const groups = [...byEmoji].map(([emoji, reactions]) => {
        const people = reactions.map(({ user }) => h("li", {}, avatarOf(chat, user), chat.users.name(user)));
        return h(
          "section",
          {},
          h("h3", {}, `${emoji} ${reactions.length}`),
          h("ul", { class: "people-list" }, ...people),
        );
      });
      list.replaceChildren(...(groups.length > 0 ? groups : [h("p", { class: "hint" }, "Nobody, any more.")]));
    };
    draw();
    // Names may come a moment later.
    setTimeout(() => list.isConnected && draw(), 400);
  });
}
