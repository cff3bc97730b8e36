// What each role may do in one conversation, where that differs from what the role says.

import { field, h, toast } from "./dom.js";
import { ROLES, RIGHTS, ofRole, outranks, overriding, ownRights } from "./rights.js";
import { choice, show } from "./view_dialog.js";
import { savesOver } from "./view_settings.js";

const WORDS = {
  read: "Read",
  react: "React",
  send: "Write messages",
  attach: "Attach files",
  edit_own: "Edit their own messages",
  delete_own: "Delete their own messages",
  thread: "Open threads",
  delete_any: "Delete anybody’s messages",
  pin: "Pin messages",
  mention_all: "Mention everybody",
  invite: "Add people",
  kick: "Remove people",
  ban: "Ban people",
  skip_slow_mode: "Write without the pause of slow mode",
  manage_roles: "Give roles",
  manage: "Edit the conversation",
  delete_conversation: "Delete the conversation",
};

/** One role at a time; only what the reader has themselves can be given away. */
export function showRights(chat, conversation) {
  const { info } = conversation;
  const own = ownRights(info);
  const roles = ROLES.filter((role) => outranks(info, role));
  // Role → what it may do, as it is shown.
  const wanted = new Map(roles.map((role) => [role, ofRole(role, info)]));
  const list = h("div", { class: "rights" });
  const save = savesOver(chat, conversation);
  const draw = (role) => list.replaceChildren(...RIGHTS.map((right) => line(role, right)));
  const line = (role, right) => {
    const has = wanted.get(role).has(right);
    const onchange = ({ target }) => {
      if (target.checked) wanted.get(role).add(right);
      else wanted.get(role).delete(right);
    };
    // Who lacks a right may take it away, but not give it back.
    const disabled = !has && !own.has(right);
    const props = { type: "checkbox", role: "switch", name: right, checked: has, disabled, onchange };
    return h("label", { class: "toggle" }, h("span", {}, WORDS[right]), h("input", props));
  };
  const first = roles.includes("member") ? "member" : roles.at(-1);
  const role = choice(
    "role",
    roles.map((name) => [name, name]),
    first,
    draw,
  );
  draw(first);
  const reset = () => {
    wanted.set(role.value, ofRole(role.value, { ...info, overrides: {} }));
    draw(role.value);
  };
  const buttons = [
    h("button", { class: "quiet", type: "button", id: "usual-rights", onclick: reset }, "As usual"),
    h("button", { class: "primary", type: "submit", id: "save-rights" }, "Save"),
  ];
  const hint = h("p", { class: "hint" }, "Only for this conversation.");
  const close = show("What roles may do", [field(null, "Role", role.element), hint, list], buttons, async () => {
    await save({ overrides: overriding(info, wanted) });
    close();
    toast("Saved.");
  });
}
