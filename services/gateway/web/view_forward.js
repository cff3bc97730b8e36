// Passing a message on to other conversations.

import { avatar, h, reconcile, toast } from "./dom.js";
import { toLine } from "./mentions.js";
import { may } from "./rights.js";
import { show } from "./view_dialog.js";

const SHOWN = 30;
const MOST = 10;

export function showForward(chat, conversation, message) {
  const chosen = new Set();
  const search = h("input", {
    type: "search",
    id: "forward-search",
    placeholder: "Search conversations",
    "aria-label": "Search conversations",
    autofocus: true,
    oninput: () => draw(),
  });
  const comment = h("input", { type: "text", id: "forward-comment", placeholder: "Add a comment", maxlength: 2_000 });
  const list = h("ul", { class: "pick-list" });
  const submit = h("button", { class: "primary", type: "submit", id: "forward" }, "Forward");
  const who = chat.users.name(message.by);
  const excerpt = h(
    "blockquote",
    {},
    h("strong", {}, who),
    toLine(message.text, (id) => chat.users.name(id)),
  );
  const parts = [excerpt, h("div", { class: "field" }, search), list, h("div", { class: "field" }, comment)];
  const close = show("Forward a message", parts, [submit], async () => {
    if (chosen.size === 0) throw new Error("Choose a conversation first.");
    chat.actions.forward(conversation, message, [...chosen], comment.value.trim());
    close();
    toast(chosen.size === 1 ? "Forwarded." : `Forwarded to ${chosen.size} conversations.`);
  });
  draw();

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const fits = (one) => may("send", one.info) && chat.title(one).toLowerCase().includes(wanted);
    const found = chat.store.list().filter(fits).slice(0, SHOWN);
    const rows = found.map((one) => {
      const title = chat.title(one);
      const onchange = ({ target }) => {
        if (target.checked && chosen.size >= MOST) target.checked = false;
        else if (target.checked) chosen.add(one.id);
        else chosen.delete(one.id);
      };
      const box = { type: "checkbox", value: one.id, checked: chosen.has(one.id), onchange };
      const face = avatar(one.peer ?? one.id, title, one.info.avatar_url ?? chat.users.picture(one.peer));
      return {
        key: one.id,
        state: title,
        make: () => h("li", {}, h("label", {}, face, h("span", {}, title), h("input", box))),
      };
    });
    reconcile(list, rows);
  }
}
