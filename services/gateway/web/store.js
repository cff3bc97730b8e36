// What this tab knows of its user's conversations. No I/O; events and answers go in, views read.

import { Timeline } from "./timeline.js";
import { Unread } from "./unread.js";

const PREVIEW = 300;

/** Everything known of one user's conversations. */
export class Store {
  conversations = new Map();
  #me;
  #isBlocked;

  constructor(me, isBlocked) {
    this.#me = me;
    this.#isBlocked = isBlocked;
  }

  get(id) {
    return this.conversations.get(id);
  }

  /** Pinned ones, then the newest first, ties by id: positions of different shards cannot be compared. */
  list() {
    const pinned = ({ info }) => Number(info.settings?.pinned ?? false);
    const newestFirst = (a, b) =>
      Number(a.touchedAt < b.touchedAt) - Number(a.touchedAt > b.touchedAt) || (a.id < b.id ? -1 : 1);
    return [...this.conversations.values()].sort((a, b) => pinned(b) - pinned(a) || newestFirst(a, b));
  }

  /** A conversation as REST gives it, in the list or alone. */
  put(info) {
    const known = this.get(info.id);
    const { last_message: last, unread, mentions, marker, ...rest } = info;
    const conversation = known ?? {
      id: info.id,
      timeline: new Timeline(),
      unread: new Unread(),
      members: null, // everybody who may be seen, once somebody looks
      receipts: new Map(), // how far others have read
      referred: new Map(), // messages that others answer: id → message, or null if gone
      pins: null,
      divider: null, // what lies behind this position was new when the conversation was opened
      peer: null,
      last: null,
      touchedAt: info.created_at ?? "",
    };
    const newer = known && known.info.version > info.version ? settingsOf(known.info) : {};
    const head = Math.max(known?.info.head ?? 0, info.head ?? 0);
    conversation.info = { ...known?.info, ...rest, ...newer, head };
    if (unread !== undefined) conversation.unread.tell({ head: info.head, unread, mentions, marker });
    if (last) this.#touch(conversation, last);
    this.conversations.set(info.id, conversation);
    return conversation;
  }

  /** Whether a conversation is muted at this moment. */
  isMuted({ info: { settings } }) {
    if (settings?.notify === "none") return true;
    return Boolean(settings?.muted_until) && Date.parse(settings.muted_until) > Date.now();
  }

  /** Unread conversations that ask for attention: all of it, or where only mentions count, those. */
  calls(conversation) {
    const { unread, info } = conversation;
    if (this.isMuted(conversation) || info.settings?.archived) return false;
    return info.settings?.notify === "mentions" ? unread.mentions > 0 : unread.count > 0;
  }

  remove(id) {
    this.conversations.delete(id);
  }

  /** What was loaded is not whole any more: it is read anew when somebody looks. */
  forgetTimeline(id) {
    const conversation = this.get(id);
    if (!conversation) return;
    conversation.timeline = new Timeline();
    conversation.members = null;
    conversation.pins = null;
  }

  /**
   * One durable event. Answers what must be asked of the server to know the rest: `{list}` for what is unread,
   * `{message}` for how many reacted.
   */
  apply(event) {
    const conversation = this.get(event.conversation);
    if (!conversation) return {};
    const { timeline, info } = conversation;
    const { data = {} } = event;
    info.head = Math.max(info.head ?? 0, event.seq);
    switch (event.event) {
      case "message.created":
        this.#created(conversation, event);
        return {};
      case "message.updated": {
        const { message, text, mentions = [], spans } = data;
        timeline.change(message, event.seq, { text, mentions, spans, edited_at: event.at });
        if (conversation.last?.id === message) conversation.last.text = cut(text);
        this.#refer(conversation, message, { text, edited_at: event.at });
        return {};
      }
      case "message.deleted":
        return this.#deleted(conversation, event.seq, data.messages ?? []);
      case "reaction.changed":
        return timeline.react(data.message, data.changes ?? [], this.#me) ? {} : { message: data.message };
      case "pin.added":
      case "pin.removed":
        conversation.pins = null;
        timeline.pin(data.message, event.event === "pin.added");
        this.#notice(timeline, event);
        return {};
      case "conversation.updated":
        Object.assign(info, { title: undefined, topic: undefined, avatar_url: undefined, overrides: {} }, data);
        info.version = event.seq;
        this.#notice(timeline, event);
        return {};
      case "member.joined":
      case "member.left":
      case "member.updated":
        this.#members(conversation, event);
        return {};
      case "conversation.created":
        this.#notice(timeline, event);
        return {};
      default:
        return {};
    }
  }

  /** What the user set for a conversation, on this device or another. */
  set({ conversation: id, ...settings }) {
    const conversation = this.get(id);
    if (conversation) conversation.info = { ...conversation.info, settings };
  }

  /** An acknowledged send is a message from now on; its event may still be under way. */
  acknowledge({ client_id, conversation: id, text, spans, at, reply_to, forward_of }, { id: message, seq }) {
    const conversation = this.get(id);
    if (!conversation) return;
    const row = { id: message, conversation: id, seq, at, by: this.#me, client_id, kind: "text", text, version: seq };
    if (conversation.timeline.keeps) conversation.timeline.put({ ...row, spans, reply_to, forward_of });
    this.#touch(conversation, row);
  }

  #created(conversation, { id, seq, at, by, data }) {
    const message = { ...data, id, conversation: conversation.id, seq, at, by, version: seq };
    if (conversation.timeline.keeps) conversation.timeline.put(message);
    if (data.deleted) return;
    this.#touch(conversation, message);
    if (by === this.#me || data.kind === "system") return;
    conversation.unread.add(seq, id, addresses(data, this.#me) && !this.#isBlocked(by));
  }

  #deleted(conversation, version, ids) {
    const gone = { text: null, deleted: true, reactions: [], pinned: false, mentions: [] };
    let list = false;
    for (const id of ids) {
      const seq = conversation.timeline.find(id)?.seq ?? 0;
      conversation.timeline.change(id, version, gone);
      if (conversation.last?.id === id) Object.assign(conversation.last, { text: null, deleted: true });
      if (conversation.unread.drop(id, seq || Infinity)) list = true;
      this.#refer(conversation, id, gone);
    }
    if (conversation.pins?.some(({ id }) => ids.includes(id))) conversation.pins = null;
    return { list };
  }

  #members(conversation, event) {
    const { info, timeline, members } = conversation;
    const { user, role } = event.data;
    const left = event.event === "member.left";
    if (event.event !== "member.updated") info.members_count += left ? -1 : 1;
    if (user === this.#me && !left) info.role = role;
    if (left) conversation.receipts.delete(user);
    if (members) {
      const known = members.find((member) => member.user === user) ?? { user, joined_at: event.at };
      const others = members.filter((member) => member.user !== user);
      conversation.members = left ? others : [...others, { ...known, role }];
    }
    this.#notice(timeline, event);
  }

  #refer(conversation, id, fields) {
    const known = conversation.referred.get(id);
    if (known) conversation.referred.set(id, { ...known, ...fields });
  }

  #notice(timeline, { id, seq, at, by, event, data }) {
    if (timeline.keeps) timeline.put({ id, seq, at, by, notice: event, data, version: seq });
  }

  #touch(conversation, { id, seq, at, by, text, deleted, forward_of }) {
    if (conversation.last && conversation.last.seq > seq) return;
    conversation.last = { id, seq, at, by, text: deleted ? null : cut(text), deleted, forwarded: Boolean(forward_of) };
    conversation.touchedAt = at ?? conversation.touchedAt;
  }
}

/** Whether a message calls its reader. */
export const addresses = ({ mentions = [] }, user) => ["all", "here", user].some((word) => mentions.includes(word));

const cut = (text) => (text ?? "").slice(0, PREVIEW);

const settingsOf = ({ title, topic, avatar_url, visibility, overrides, version, slow_mode_s, retention_days }) => ({
  ...{ title, topic, avatar_url, visibility, overrides, version, slow_mode_s, retention_days },
});
