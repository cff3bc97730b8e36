// One's own status: how one wants to be seen, and a few words. Hidden where the server has no such thing.

import { field, h, toast } from "./dom.js";
import { attempt } from "./view_dialog.js";

const STATES = [
  ["auto", "Online when here"],
  ["dnd", "Do not disturb"],
  ["invisible", "Invisible"],
];
const UNTIL = [
  ["", "Until I change it"],
  ["3600000", "For an hour"],
  ["28800000", "For 8 hours"],
];

export function statusPart({ presence }) {
  if (presence.own === null) return null;
  const { state, text } = presence.own;
  const options = (all, chosen) =>
    all.map(([value, label]) => h("option", { value, selected: value === chosen }, label));
  const select = h("select", { id: "status-state", "aria-label": "How you are seen" }, ...options(STATES, state));
  const words = h("input", {
    id: "status-text",
    type: "text",
    maxlength: 128,
    value: text,
    placeholder: "What are you up to?",
  });
  const until = h("select", { id: "status-until", "aria-label": "For how long" }, ...options(UNTIL, ""));
  const save = async () => {
    const ends = until.value ? new Date(Date.now() + Number(until.value)).toISOString() : undefined;
    const status = { state: select.value, text: words.value.trim() || undefined, until: ends };
    await attempt(async () => toast((await presence.set(status)) ? "Saved." : "This server has no status."));
  };
  const set = h("button", { class: "quiet small", type: "button", id: "save-status", onclick: save }, "Set");
  return field("status-text", "Status", h("div", { class: "status-line" }, words, select, until, set));
}
