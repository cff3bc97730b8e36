// What a conversation looks like, row by row: history, days, messages, notices. Each is `{key, state, make}`.

import { dayName, h } from "./dom.js";
import { messageRow } from "./view_message.js";

const TOGETHER_MS = 5 * 60_000;
const WAITING = { name: "waiting", words: "Waiting to be sent" };

/** All rows of `view.conversation`, oldest first; what is not acknowledged comes last. */
export function rowsOf(view) {
  const { chat, conversation } = view;
  const { timeline } = conversation;
  const rows = [historyRow(chat, conversation)];
  const waiting = timeline.detached ? [] : chat.outbox.of(conversation.id);
  const pending = waiting.map((entry) => ({ ...entry, by: chat.me, pending: true }));
  const all = [...timeline.rows, ...pending];
  const news = firstNew(chat, conversation);
  const seen = readersByRow(chat, conversation);
  const lastRead = lastReadByPeer(chat, conversation);
  let day = null;
  let before = null;
  for (const row of all) {
    const today = dayName(row.at);
    if (today !== day) {
      day = today;
      before = null;
      rows.push(dayRow(row, today));
    }
    if (news !== null && row.seq === news) {
      before = null;
      rows.push({ key: "news", state: "", make: () => h("li", { class: "news-line" }, h("span", {}, "New messages")) });
    }
    if (row.notice) {
      rows.push(noticeRow(chat, row));
    } else {
      const together = goesOn(before, row);
      rows.push(
        messageRow(view, row, {
          together,
          readers: seen.get(row.seq) ?? [],
          tick: tickOf(chat, conversation, row, lastRead),
        }),
      );
    }
    before = row;
  }
  if (timeline.detached) rows.push(aheadRow(chat));
  return rows;
}

function goesOn(before, row) {
  if (before === null || before.notice || before.by !== row.by || row.reply_to || row.forward_of) return false;
  return Date.parse(row.at) - Date.parse(before.at) < TOGETHER_MS;
}

// The position of the first message that its reader has not seen, where that was known when they came.
function firstNew({ me }, { divider, timeline: { rows } }) {
  if (divider === null) return null;
  const countable = ({ by, notice, deleted, kind }) => by !== me && !notice && !deleted && kind !== "system";
  if (divider.after > 0) return rows.find((row) => row.seq > divider.after && countable(row))?.seq ?? null;
  // Never read anything here: so many from the end.
  return rows.filter(countable).at(-divider.count)?.seq ?? null;
}

// The newest message of one's own that the other one has read: those before it are read too, without a word.
function lastReadByPeer({ me }, { info, timeline, receipts, peer }) {
  if (info.kind !== "direct") return null;
  const { read = 0 } = receipts.get(peer) ?? {};
  return timeline.rows.findLast(({ by, seq, notice, deleted }) => by === me && seq <= read && !notice && !deleted)?.seq;
}

// How far one's own messages are: in a direct conversation as far as the other one.
function tickOf({ me }, conversation, row, lastRead) {
  if (row.by !== me || row.deleted) return null;
  if (row.pending) return row.state === "failed" ? { name: "failed", words: "Not sent" } : WAITING;
  if (conversation.info.kind !== "direct") return null;
  const { read = 0, delivered = 0 } = conversation.receipts.get(conversation.peer) ?? {};
  if (row.seq <= read) return row.seq === lastRead ? { name: "read", words: "Read" } : null;
  return row.seq <= delivered ? { name: "delivered", words: "Delivered" } : { name: "done", words: "Sent" };
}

// In groups each reader stands at the last row they have read.
function readersByRow({ marks, me }, conversation) {
  const found = new Map();
  if (conversation.info.kind === "direct" || !marks.shows(conversation)) return found;
  const messages = conversation.timeline.rows.filter(({ notice }) => !notice);
  for (const [user, { read }] of conversation.receipts) {
    const last = messages.findLast(({ seq }) => seq <= read);
    // Of what they wrote themselves that is no news.
    if (!last || last.by === user || user === me) continue;
    found.set(last.seq, [...(found.get(last.seq) ?? []), user]);
  }
  return found;
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

function historyState({ history, status, outbox }, { id, timeline }) {
  if (history.state === "failed") return "failed";
  if (timeline.state !== "loaded" && timeline.rows.length === 0) return status.name === "live" ? "loading" : "waiting";
  if (timeline.complete) {
    return timeline.rows.every(({ notice }) => notice) && outbox.of(id).length === 0 ? "empty" : "start";
  }
  return history.state === "loading" ? "loading" : "more";
}

function aheadRow({ history }) {
  const words = history.ahead === "failed" ? "Newer messages cannot be read right now." : null;
  const make = () => h("li", { class: "history" }, words ?? h("span", { class: "spinner", role: "progressbar" }));
  return { key: "ahead", state: history.ahead, make };
}

// Order is by position and days are by clocks, so a day may come twice: the row below names it.
function dayRow({ seq, client_id }, day) {
  return { key: `day ${seq ?? client_id}`, state: day, make: () => h("li", { class: "day" }, h("span", {}, day)) };
}

function noticeRow({ users }, { seq, by, notice, data }) {
  const [actor, subject] = [users.name(by), users.name(data?.user ?? by)];
  const self = data?.user === undefined || data.user === by;
  const left = { banned: `${actor} banned ${subject}`, removed: `${actor} removed ${subject}` };
  const text = {
    "conversation.created": `${actor} created this conversation`,
    "conversation.updated": `${actor} changed the conversation`,
    "member.joined": self ? `${subject} joined` : `${actor} added ${subject}`,
    "member.left": self ? `${subject} left` : (left[data?.reason] ?? `${subject} left`),
    "member.updated": `${actor} made ${self ? "themselves" : subject} ${data?.role}`,
    "pin.added": `${actor} pinned a message`,
    "pin.removed": `${actor} unpinned a message`,
  }[notice];
  return { key: `seq ${seq}`, state: text, make: () => h("li", { class: "notice" }, text) };
}
