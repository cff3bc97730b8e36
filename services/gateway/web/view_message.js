// One message: who, when, what; what it answers, what it got, and how far it is on its way.

import { avatar, clockTime, fullTime, h, icon } from "./dom.js";
import { explainCode } from "./explain.js";
import { toLine } from "./mentions.js";
import { isEmojiOnly, written } from "./view_text.js";

const SHOWN_NAMES = 12;

/**
 * A row of the thread. `together`: it goes on from the one above; `readers`: who has read up to here and no further.
 * `on`: `{jump, profile, react, reactors}`.
 */
export function messageRow(view, row, { together, readers, tick }) {
  const { chat, conversation } = view;
  const { me, users, blocks, actions } = chat;
  const mine = row.by === me;
  const state = row.pending ? row.state : "done";
  const hidden = blocks.has(row.by) && !view.revealed.has(row.id) && !row.deleted;
  const calls = !row.deleted && actions.callsMe(row);
  const quoted = row.reply_to && !row.deleted ? chat.history.referred(conversation, row.reply_to) : null;
  const source = row.forward_of && !row.deleted ? sourceOf(chat, row.forward_of) : null;
  const people = [row.by, quoted?.by, ...(row.mentions ?? []), ...readers].filter(
    (id) => id && id !== "all" && id !== "here",
  );
  const named = people.map((id) => users.name(id));
  const chosen = view.chosen.has(row.id);
  const flags = { mine, theirs: !mine, first: !together, calls, chosen, pinned: row.pinned };
  flags.edited = view.editing === row.id;
  const classes = ["message", state, ...Object.keys(flags).filter((flag) => flags[flag])].join(" ");
  const make = () => element(view, row, { classes, state, together, hidden, quoted, source, readers, tick });
  return {
    // The same element from the moment it is written to the moment it is acknowledged.
    key: mine ? `mine ${row.client_id ?? row.seq}` : `seq ${row.seq}`,
    state: JSON.stringify([
      ...[classes, hidden, tick, named, users.picture(row.by), source],
      ...[row.id, row.text, row.spans, row.mentions, row.deleted, row.edited_at, row.at, row.code, row.reactions],
      quoted === undefined ? "?" : quoted && [quoted.text, quoted.deleted],
      readers,
    ]),
    make,
  };
}

function element(view, row, { classes, state, together, hidden, quoted, source, readers, tick }) {
  const { chat } = view;
  const name = chat.users.name(row.by);
  const time = h("time", { datetime: row.at, title: fullTime(row.at) }, clockTime(row.at));
  const face = { class: "face", type: "button", tabindex: -1, "aria-hidden": "true", "data-profile": row.by };
  const gutter = together ? h("span", { class: "gutter" }, time) : h("button", face, avatarOf(chat, row.by));
  const head = h(
    "div",
    { class: together ? "message-head sr-only" : "message-head" },
    h("button", { class: "author", type: "button", tabindex: -1, "data-profile": row.by }, name),
    together ? null : time.cloneNode(true),
  );
  const props = { "data-client-id": row.client_id, "data-seq": row.seq, "data-id": row.id, "data-state": state };
  return h(
    "li",
    { class: classes, tabindex: -1, ...props },
    gutter,
    h(
      "div",
      { class: "message-body" },
      head,
      row.reply_to && !row.deleted ? quote(chat, row.reply_to, quoted) : null,
      row.forward_of && !row.deleted ? forwarded(row.forward_of, source) : null,
      hidden ? blockedLine(view, row) : text(chat, row),
      row.reactions?.length > 0 && !hidden ? reactions(chat, row) : null,
      note(view, row, state),
    ),
    tick ? h("span", { class: `tick ${tick.name}`, title: tick.words }, ...ticks(tick)) : null,
    readers.length > 0 ? seenBy(chat, readers) : null,
  );
}

function text(chat, row) {
  if (row.deleted) return h("p", { class: "text deleted" }, "This message was deleted");
  const big = isEmojiOnly(row.text ?? "") ? " big" : "";
  const edited = row.edited_at ? h("span", { class: "edited", title: fullTime(row.edited_at) }, "edited") : null;
  return h("div", { class: "text-line" }, h("div", { class: `text${big}` }, ...written(chat, row)), edited);
}

/** A message in one line, that leads to it. */
function quote({ users }, id, quoted) {
  const gone = quoted === null || quoted?.deleted;
  const words = gone ? "The message is gone" : quoted ? toLine(quoted.text, (user) => users.name(user)) : "…";
  const props = { class: "quote", type: "button", "data-jump": id, title: "Go to the message", disabled: gone };
  return h("button", props, quoted && !gone ? h("strong", {}, users.name(quoted.by)) : null, h("span", {}, words));
}

// Who can read where it comes from can go there.
function forwarded({ conversation, message }, source) {
  const props = { class: "link", type: "button", "data-source": conversation, "data-message": message };
  return h(
    "p",
    { class: "forwarded" },
    icon("forward"),
    "Forwarded",
    source ? h("button", props, `from ${source}`) : null,
  );
}

function sourceOf(chat, { conversation }) {
  const known = chat.store.get(conversation);
  return known ? chat.title(known) : "";
}

function reactions({ users }, { reactions: all }) {
  const buttons = all.map(({ emoji, count, users: who, mine }) => {
    const names = who.slice(0, SHOWN_NAMES).map((id) => users.name(id));
    const rest = count > names.length ? ` and ${count - names.length} more` : "";
    const title = `${names.join(", ")}${rest} reacted with ${emoji}`;
    const props = { class: "reaction", type: "button", "data-emoji": emoji, "aria-pressed": String(mine), title };
    return h("button", props, h("span", {}, emoji), h("span", { class: "reaction-count" }, String(count)));
  });
  const more = { class: "reaction add", type: "button", "data-act": "react", "aria-label": "Add a reaction" };
  const list = { class: "reaction add", type: "button", "data-act": "reactors", "aria-label": "Who reacted" };
  return h(
    "div",
    { class: "reactions" },
    ...buttons,
    h("button", { ...more, title: "Add a reaction" }, icon("smile")),
    h("button", { ...list, title: "Who reacted" }, icon("people")),
  );
}

function blockedLine({ reveal }, row) {
  return h(
    "p",
    { class: "text deleted" },
    "You blocked this person. ",
    h("button", { class: "link", type: "button", onclick: () => reveal(row.id) }, "Show the message"),
  );
}

// Why it is not there yet, or never will be.
function note({ chat }, row, state) {
  if (state === "failed") {
    return h(
      "div",
      { class: "failed-actions", role: "alert" },
      `Not sent. ${explainCode(row.code, row.detail)} `,
      h("button", { class: "link", onclick: () => chat.outbox.retry(row.client_id) }, "Retry"),
      " · ",
      h("button", { class: "link", onclick: () => chat.outbox.discard(row.client_id) }, "Delete"),
    );
  }
  if (state === "done" || !row.code) return null;
  const words = {
    rate_limited: "You write fast: it is sent in a moment.",
    slow_mode: "Slow mode: it is sent as soon as it may.",
  };
  return h("p", { class: "hint" }, words[row.code] ?? "The server is busy: trying again.");
}

function ticks({ name, words }) {
  const shown = { waiting: "clock", sent: "clock", failed: "alert", done: "check" }[name] ?? "checks";
  return [icon(shown), h("span", { class: "sr-only" }, words)];
}

function seenBy(chat, readers) {
  const names = readers.map((id) => chat.users.name(id)).join(", ");
  const shown = readers.slice(0, 5).map((id) => avatarOf(chat, id));
  const more = readers.length > 5 ? h("small", {}, `+${readers.length - 5}`) : null;
  const props = { class: "seen-by", title: `Read by ${names}`, role: "img", "aria-label": `Read by ${names}` };
  return h("div", props, ...shown, more);
}

/** Somebody's picture. */
export const avatarOf = ({ users }, id) => avatar(id, users.name(id), users.picture(id));
