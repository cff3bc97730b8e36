// How somebody is, where the server knows it: a dot, a few words.

import { h, howLong } from "./dom.js";
import { avatarOf } from "./view_message.js";

const WORDS = { online: "Online", away: "Away", dnd: "Do not disturb", offline: "Offline" };

/** A picture with a dot on it, if it is known how they are. */
export function face(chat, user) {
  const state = chat.presence.of(user)?.state;
  const dot = state && state !== "offline" ? h("span", { class: `dot ${state}`, title: WORDS[state] }) : null;
  return h("span", { class: "face-box" }, avatarOf(chat, user), dot);
}

/** "Online · in a meeting", "Last seen 5 min ago", or nothing. */
export function presenceWords(chat, user) {
  const known = chat.presence.of(user);
  if (!known) return "";
  const { state, text, last_seen: seen } = known;
  const away = state === "offline" && seen ? `Last seen ${howLong(Date.now() - Date.parse(seen))} ago` : null;
  return [away ?? WORDS[state] ?? "", text].filter(Boolean).join(" · ");
}
