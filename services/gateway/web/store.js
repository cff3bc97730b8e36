// What this tab knows: conversations, their messages, people's names. No I/O; events and answers go in, views read.

const KEPT = 200;
const PREVIEW = 120;

/** The loaded part of one conversation's messages and notices, by position. */
export class Timeline {
  /** Sorted by `seq`: messages, and notices of what happened to the conversation. */
  rows = [];
  /** `empty` keeps nothing; `loading` keeps events while the newest page is read, so that none falls between. */
  state = "empty";
  /** The conversation's first message is here. */
  complete = false;
  /** Where the next older page ends. */
  floor = null;

  get keeps() {
    return this.state !== "empty";
  }

  /** Puts a row in its place; an older version of a known row changes nothing. */
  put(row) {
    const place = this.#place(row.seq);
    const known = this.rows[place];
    if (known?.seq !== row.seq) this.rows.splice(place, 0, row);
    else if (row.version >= known.version) this.rows[place] = row;
  }

  /** One page of history, newest first. */
  putPage({ items, next }) {
    for (const message of items) {
      this.put(message);
      this.floor = Math.min(this.floor ?? message.seq, message.seq);
    }
    this.complete ||= next === null || next === undefined;
  }

  /** Changes a message if it is here and the change is news to it. */
  change(id, version, fields) {
    const place = this.rows.findIndex((row) => row.id === id);
    const row = this.rows[place];
    if (row && row.version < version) this.rows[place] = { ...row, ...fields, version };
  }

  /** Keeps memory bounded once nobody looks. */
  trim() {
    if (this.rows.length <= KEPT) return;
    this.rows = this.rows.slice(-KEPT);
    this.floor = this.rows[0].seq;
    this.complete = false;
  }

  #place(seq) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Everything known of one user's conversations. */
export class Store {
  conversations = new Map();
  #me;
  #readKey;
  #read; // how far, by conversation; kept in this browser

  constructor(me) {
    this.#me = me;
    this.#readKey = `chat.read.${me}`;
    this.#read = recall(this.#readKey);
  }

  get(id) {
    return this.conversations.get(id);
  }

  /** Newest first, ties by id: positions of different shards cannot be compared. */
  list() {
    const newestFirst = (a, b) => b.touchedAt.localeCompare(a.touchedAt) || (a.id < b.id ? -1 : 1);
    return [...this.conversations.values()].sort(newestFirst);
  }

  /** A conversation as REST gives it, in the list or alone. */
  put(info) {
    const known = this.get(info.id);
    const { last_message: last, ...rest } = info;
    const conversation = known ?? {
      id: info.id,
      timeline: new Timeline(),
      members: null,
      peer: null,
      last: null,
      unread: 0,
      touchedAt: info.created_at ?? "",
    };
    conversation.info = { ...known?.info, ...rest };
    if (last) this.#touch(conversation, last);
    this.conversations.set(info.id, conversation);
    return conversation;
  }

  /** Whether somebody else wrote what this user has not seen here; how much is known only for what came as events. */
  hasNews({ id, last, unread }) {
    return unread > 0 || (last !== null && last.by !== this.#me && last.seq > (this.#read[id] ?? 0));
  }

  /** The conversation is in front of somebody: all of it counts as read. Answers whether that is news. */
  markRead(conversation) {
    const news = this.hasNews(conversation);
    conversation.unread = 0;
    if (!conversation.last || conversation.last.seq <= (this.#read[conversation.id] ?? 0)) return news;
    this.#read[conversation.id] = conversation.last.seq;
    remember(this.#readKey, this.#read);
    return news;
  }

  remove(id) {
    this.conversations.delete(id);
  }

  /** What was loaded is not whole any more: it is read anew when somebody looks. */
  forgetTimeline(id) {
    const conversation = this.get(id);
    if (conversation) conversation.timeline = new Timeline();
  }

  /** One durable event. `seen`: its conversation is on screen. */
  apply(event, seen) {
    const conversation = this.get(event.conversation);
    if (!conversation) return;
    const { timeline } = conversation;
    const { data = {} } = event;
    switch (event.event) {
      case "message.created": {
        const { id, seq, at, by } = event;
        const message = { ...data, id, conversation: event.conversation, seq, at, by, version: seq };
        if (timeline.keeps) timeline.put(message);
        if (!data.deleted) this.#touch(conversation, message);
        if (by !== this.#me && !seen && data.kind !== "system") conversation.unread += 1;
        return;
      }
      case "message.updated":
        return timeline.change(data.message, event.seq, { text: data.text, edited_at: event.at });
      case "message.deleted":
        for (const id of data.messages ?? []) timeline.change(id, event.seq, { text: null, deleted: true });
        return;
      case "conversation.updated":
        Object.assign(conversation.info, { title: undefined, topic: undefined }, data);
        return this.#notice(timeline, event);
      case "member.joined":
      case "member.left":
        conversation.members = null;
        conversation.info.members_count += event.event === "member.joined" ? 1 : -1;
        return this.#notice(timeline, event);
      case "member.updated":
        conversation.members = null;
        return this.#notice(timeline, event);
      case "conversation.created":
        return this.#notice(timeline, event);
      default:
    }
  }

  /** An acknowledged send is a message from now on; its event may still be under way. */
  acknowledge({ client_id, conversation: id, text, at }, { id: message, seq }) {
    const conversation = this.get(id);
    if (!conversation) return;
    const row = { id: message, conversation: id, seq, at, by: this.#me, client_id, kind: "text", text, version: seq };
    if (conversation.timeline.keeps) conversation.timeline.put(row);
    this.#touch(conversation, row);
  }

  #notice(timeline, { id, seq, at, by, event, data }) {
    if (timeline.keeps) timeline.put({ id, seq, at, by, notice: event, data, version: seq });
  }

  #touch(conversation, { seq, at, by, text, deleted }) {
    if (conversation.last && conversation.last.seq > seq) return;
    conversation.last = { seq, at, by, text: deleted ? null : (text ?? "").slice(0, PREVIEW), deleted };
    conversation.touchedAt = at ?? conversation.touchedAt;
  }
}

function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: the next reload shows a dot too many.
  }
}
