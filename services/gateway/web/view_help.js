// The keys.

import { h } from "./dom.js";
import { show } from "./view_dialog.js";

const KEYS = [
  [
    "Anywhere",
    [
      ["Ctrl K", "Search conversations"],
      ["Alt ↑ ↓", "Previous, next conversation"],
      ["Alt Shift ↓", "Next unread conversation"],
      ["Ctrl Shift L", "Light or dark"],
      ["Ctrl /", "This list"],
      ["Esc", "Close, or leave what was begun"],
    ],
  ],
  [
    "Writing",
    [
      ["Enter", "Send"],
      ["Shift Enter", "New line"],
      ["↑", "Edit your last message, in an empty field"],
      ["@", "Mention somebody"],
      ["**bold** _italic_", "Also ~~struck~~, `code`, ```block```"],
    ],
  ],
  [
    "On a message (Tab to the messages, then ↑ ↓)",
    [
      ["R", "Reply"],
      ["E", "Edit"],
      ["+", "React"],
      ["X", "Choose, to delete several"],
      ["Delete", "Delete"],
      ["Enter", "More"],
    ],
  ],
];

export function showHelp() {
  const parts = KEYS.map(([title, keys]) => {
    const rows = keys.map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words)));
    return h("section", {}, h("h3", {}, title), h("dl", { class: "keys" }, ...rows));
  });
  parts.push(h("p", {}, h("a", { class: "link", href: "/reference", target: "_blank" }, "Reference of the API")));
  show("Keyboard", parts, [], async () => {});
}
