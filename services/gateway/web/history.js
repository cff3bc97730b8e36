// Messages that did not come as events: pages read by REST.

import { Timeline } from "./timeline.js";

const REREAD_PAGES = 5;
const FIND_PAGES = 20;
const RETRY_MS = 3_000;

/** Reads pages into timelines. `isLive()`, `isOpen(conversation)` and `follow(id)` come from the chat. */
export class History {
  /** What the last read of the open conversation came to: idle, loading, failed. */
  state = "idle";
  /** The same for what is newer, where the newest is not shown. */
  ahead = "idle";
  #me;
  #rest;
  #store;
  #reader;
  #outbox;
  #on;

  constructor({ me, rest, store, reader, outbox, on }) {
    this.#me = me;
    this.#rest = rest;
    this.#store = store;
    this.#reader = reader;
    this.#outbox = outbox;
    this.#on = on;
  }

  /** The newest page, once somebody looks. Tried again until it is there. */
  async load(conversation) {
    const { id, timeline } = conversation;
    if (!this.#on.isLive() || timeline.state !== "empty") return;
    timeline.state = "loading";
    // Beyond the most recent 500, a conversation is followed once it is opened.
    if (this.#reader.cursor(id) === undefined) await this.#on.follow(id);
    const read = await this.#page(conversation, {});
    if (timeline !== conversation.timeline) return;
    timeline.state = read ? "loaded" : "empty";
    if (!read) {
      timeline.rows = [];
      setTimeout(() => this.#on.isOpen(conversation) && this.load(conversation), RETRY_MS);
    }
    this.#show(conversation, read ? "idle" : "failed");
  }

  /** One page further back. */
  async older(conversation) {
    const { timeline } = conversation;
    if (timeline.state !== "loaded" || timeline.complete || this.state === "loading") return;
    this.#show(conversation, "loading");
    const read = await this.#page(conversation, { before: timeline.floor ?? undefined });
    this.#show(conversation, read ? "idle" : "failed");
  }

  /** One page further on, where the newest is not shown. */
  async newer(conversation) {
    const { timeline } = conversation;
    if (!timeline.detached || this.ahead === "loading") return;
    this.ahead = "loading";
    const begun = timeline.changes;
    timeline.awaitNewer();
    let page = null;
    try {
      page = await this.#rest.messages(conversation.id, { after: timeline.roof });
    } catch {
      // Said below.
    }
    timeline.putNewer(page, begun);
    this.ahead = page ? "idle" : "failed";
    this.#on.changed();
  }

  /** Shows one message with what surrounds it. Answers whether it is there; throws a `Problem` otherwise. */
  async around(conversation, id) {
    if (conversation.timeline.find(id)) return true;
    const page = await this.#rest.messages(conversation.id, { around: id });
    const timeline = new Timeline();
    timeline.putAround(page);
    conversation.timeline = timeline;
    this.state = this.ahead = "idle";
    this.#on.changed();
    return timeline.find(id) !== undefined;
  }

  /** Back to the newest, from wherever. */
  async newest(conversation) {
    if (!conversation.timeline.detached) return;
    conversation.timeline = new Timeline();
    this.state = "idle";
    await this.load(conversation);
  }

  /** A message that another one names: the message, null if it is gone, undefined until that is known. */
  referred(conversation, id) {
    const { timeline, referred } = conversation;
    const here = timeline.find(id);
    if (here || referred.has(id)) return here ?? referred.get(id);
    referred.set(id, undefined);
    this.#rest.message(conversation.id, id).then(
      (message) => this.#refer(conversation, id, message),
      (problem) => (problem.passing ? referred.delete(id) : this.#refer(conversation, id, null)),
    );
    return undefined;
  }

  /** Reads one message again: how many reacted could not be told from events alone. */
  async recount(conversation, id) {
    const { timeline } = conversation;
    const begun = timeline.changes;
    try {
      timeline.put(await this.#rest.message(conversation.id, id), begun);
      this.#on.changed();
    } catch {
      // The count stays one off until the message is read again.
    }
  }

  /**
   * What the gateway could not replay: page by page where it is on screen and not far, else forgotten and read anew.
   * Answers false if that failed and should be tried again.
   */
  async reread(conversation, after, head) {
    if (!conversation.timeline.keeps || after === null) return this.#forget(conversation);
    let from = after;
    for (let page = 0; page < REREAD_PAGES; page += 1) {
      let answer;
      try {
        answer = await this.#rest.events(conversation.id, from);
      } catch (problem) {
        return !problem.passing;
      }
      for (const event of answer.items) if (event.seq <= head) this.#reader.take(event);
      from = answer.items.at(-1)?.seq ?? head;
      if (from >= head || !answer.next) return true;
    }
    return this.#forget(conversation);
  }

  /** The message that an earlier try to send made, or null if none did. Throws if it cannot tell. */
  async find({ conversation, client_id, at }) {
    const oldest = new Date(Date.parse(at) - 600_000).toISOString();
    let before;
    for (let page = 0; page < FIND_PAGES; page += 1) {
      const { items, next } = await this.#rest.messages(conversation, { limit: 200, before });
      const found = items.find((message) => message.by === this.#me && message.client_id === client_id);
      if (found || !next || items.at(-1)?.at < oldest) return found ?? null;
      before = items.at(-1).seq;
    }
    throw new Error("too far back to be sure");
  }

  #forget(conversation) {
    this.#store.forgetTimeline(conversation.id);
    if (this.#on.isOpen(conversation)) this.load(conversation);
    return true;
  }

  #refer(conversation, id, message) {
    conversation.referred.set(id, message);
    this.#on.changed();
  }

  async #page(conversation, query) {
    const { timeline } = conversation;
    const begun = timeline.changes;
    try {
      const page = await this.#rest.messages(conversation.id, query);
      if (timeline !== conversation.timeline) return true;
      timeline.putPage(page, begun);
      for (const { by, client_id } of page.items) if (by === this.#me) this.#outbox.onOwnMessage(client_id);
      return true;
    } catch {
      return false;
    }
  }

  #show(conversation, state) {
    if (!this.#on.isOpen(conversation)) return;
    this.state = state;
    this.#on.changed();
  }
}
