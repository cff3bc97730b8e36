// What a conversation looks like, row by row: history, days, messages, notices. Each is `{key, state, make}`.

import { avatar, clockTime, dayName, h, icon, linked } from "./dom.js";

const TOGETHER_MS = 5 * 60_000;
const FAILED = {
  forbidden: "You may not write here.",
  not_a_member: "You are not a member any more.",
  not_found: "This conversation is gone.",
  blocked: "You cannot write to this person.",
  too_large: "The message is too long.",
  outcome_unknown: "The server did not confirm it.",
};

/** All rows of a conversation, oldest first; what is not acknowledged comes last. */
export function rowsOf(chat, conversation) {
  const rows = [historyRow(chat, conversation)];
  const pending = chat.outbox.of(conversation.id).map((entry) => ({ ...entry, by: chat.me, pending: true }));
  let day = null;
  let before = null;
  for (const row of [...conversation.timeline.rows, ...pending]) {
    const today = dayName(row.at);
    if (today !== day) {
      day = today;
      before = null;
      rows.push(dayRow(row, today));
    }
    rows.push(row.notice ? noticeRow(chat, row) : messageRow(chat, row, before));
    before = row;
  }
  return rows;
}

// What lies above the oldest message: more, nothing, or a reason why it cannot be seen.
function historyRow(chat, conversation) {
  const state = historyState(chat, conversation);
  const row = (...parts) => h("li", { class: "history" }, ...parts);
  const make = {
    more: () => row(),
    loading: () => row(h("span", { class: "spinner", role: "progressbar", "aria-label": "Loading" })),
    waiting: () => row("Messages appear as soon as there is a connection."),
    start: () => row("This is where it began."),
    failed: () => {
      const again = () => chat.history.older(conversation);
      return row(
        "Older messages cannot be read right now. ",
        h("button", { class: "link", onclick: again }, "Try again"),
      );
    },
    empty: () => {
      const direct = conversation.info.kind === "direct";
      const hint = direct ? "Say hello." : "Write the first message, or add people from the top right.";
      return h("li", { class: "history nothing-yet" }, h("strong", {}, "Nothing here yet"), h("span", {}, hint));
    },
  }[state];
  return { key: "history", state, make };
}

function historyState({ history, status }, { timeline }) {
  if (history.state === "failed") return "failed";
  if (timeline.state !== "loaded" && timeline.rows.length === 0) return status.name === "live" ? "loading" : "waiting";
  if (timeline.complete) return timeline.rows.every(({ notice }) => notice) ? "empty" : "start";
  return history.state === "loading" ? "loading" : "more";
}

// Order is by position and days are by clocks, so a day may come twice: the row below names it.
function dayRow({ seq, client_id }, day) {
  return { key: `day ${seq ?? client_id}`, state: day, make: () => h("li", { class: "day" }, h("span", {}, day)) };
}

function messageRow({ me, users, outbox }, row, before) {
  const mine = row.by === me;
  const name = users.name(row.by);
  const follows = before !== null && !before.notice && before.by === row.by;
  const together = follows && Date.parse(row.at) - Date.parse(before.at) < TOGETHER_MS;
  const state = row.pending ? row.state : "done";
  const classes = ["message", mine ? "mine" : "theirs", together ? "" : "first", state].filter(Boolean).join(" ");
  const make = () =>
    h(
      "li",
      { class: classes, "data-client-id": row.client_id, "data-seq": row.seq, "data-state": state },
      mine ? null : together ? h("span", { class: "avatar-space" }) : avatar(row.by, name),
      h(
        "div",
        { class: "bubble" },
        h("span", { class: together || mine ? "sr-only" : "author" }, name),
        row.deleted
          ? h("span", { class: "text deleted" }, "Message deleted")
          : h("span", { class: "text" }, ...linked(row.text ?? "")),
        meta(row, mine ? state : null),
      ),
      state === "failed" ? failedActions(outbox, row) : null,
    );
  return {
    // The same element from the moment it is written to the moment it is acknowledged.
    key: mine ? `mine ${row.client_id ?? row.seq}` : `seq ${row.seq}`,
    state: JSON.stringify([classes, name, row.text, row.deleted, row.edited_at, row.at, row.code, row.seq]),
    make,
  };
}

function meta({ at, edited_at }, state) {
  const time = h("time", { datetime: at, title: new Date(at).toLocaleString() }, clockTime(at));
  return h("span", { class: "meta" }, edited_at ? "edited " : "", time, state && tick(state));
}

function tick(state) {
  const waiting = ["clock", "Waiting to be sent"];
  const [name, words] = { done: ["check", "Sent"], failed: ["alert", "Not sent"] }[state] ?? waiting;
  return h("span", { class: "tick", title: words }, icon(name), h("span", { class: "sr-only" }, words));
}

function failedActions(outbox, { client_id, code }) {
  return h(
    "div",
    { class: "failed-actions", role: "alert" },
    `Not sent. ${FAILED[code] ?? ""} `,
    h("button", { class: "link", onclick: () => outbox.retry(client_id) }, "Retry"),
    " · ",
    h("button", { class: "link", onclick: () => outbox.discard(client_id) }, "Delete"),
  );
}

function noticeRow({ users }, { seq, by, notice, data }) {
  const [actor, subject] = [users.name(by), users.name(data?.user ?? by)];
  const self = data?.user === undefined || data.user === by;
  const text = {
    "conversation.created": `${actor} created this conversation`,
    "conversation.updated": `${actor} changed the conversation`,
    "member.joined": self ? `${subject} joined` : `${actor} added ${subject}`,
    "member.left": self ? `${subject} left` : `${actor} removed ${subject}`,
    "member.updated": `${subject} is now ${data?.role}`,
  }[notice];
  return { key: `seq ${seq}`, state: text, make: () => h("li", { class: "notice" }, text) };
}
