// The client without its screen: wires session, socket, positions, sends and knowledge together.

import { Connection } from "./connection.js";
import { History } from "./history.js";
import { Clock, Mint } from "./ids.js";
import { Outbox } from "./outbox.js";
import { Reader } from "./reader.js";
import { Problem, Rest } from "./rest.js";
import { Store } from "./store.js";
import { Users } from "./users.js";

const RETRY_MS = 3_000;

/** `changed()` after anything a view shows; `loggedOut()` when the server ended the session. */
export class Chat {
  status = { name: "connecting" };
  open = null;
  /** The list was read once, so "none" means none. */
  listed = false;
  #session;
  #changed;
  #stopped = false;
  #visible = () => document.visibilityState === "visible";

  constructor(session, { changed, loggedOut }) {
    this.#session = session;
    this.#changed = changed;
    this.me = session.user.id;
    this.rest = new Rest(session);
    this.users = new Users(this.rest, changed);
    this.users.put(session.user);
    this.store = new Store(this.me);
    const clock = new Clock();
    this.mint = new Mint(clock);
    this.reader = new Reader({
      apply: (event) => this.#apply(event),
      follow: (conversation, after) => this.connection.ask({ type: "follow", conversation, after }),
      reread: (conversation, after, head) => this.#reread(conversation, after, head),
      unfollowed: (conversation) => this.store.forgetTimeline(conversation),
      broken: () => this.connection.restart(),
    });
    this.outbox = new Outbox({
      user: this.me,
      mint: this.mint,
      clock,
      transmit: (frame) => this.connection.say(frame),
      find: (entry) => this.history.find(entry),
      acknowledged: (entry, ack) => this.store.acknowledge(entry, ack),
      changed,
    });
    const { me, rest, store, reader, outbox } = this;
    this.history = new History({
      me,
      rest,
      store,
      reader,
      outbox,
      on: {
        changed,
        isLive: () => this.status.name === "live",
        isOpen: (conversation) => conversation === this.current,
        follow: (id) => this.#follow(id),
      },
    });
    this.connection = new Connection({
      session,
      clock,
      cursors: () => this.reader.cursors(),
      on: {
        status: (status) => this.#show(status),
        ready: () => {
          this.reader.onSocket();
          this.outbox.onReady();
        },
        live: () => this.#onLive(),
        down: () => this.outbox.onDown(),
        frame: (frame) => this.#onFrame(frame),
        loggedOut,
      },
    });
  }

  start() {
    this.connection.start();
    this.#untilDone(async () => this.users.put(await this.rest.me()));
  }

  /** The session has ended: what was not sent is kept for the next log-in. */
  stop() {
    this.#stopped = true;
    this.connection.stop();
    this.#session.forget();
  }

  /** The user leaves: nothing they wrote stays here. */
  logOut() {
    this.#stopped = true;
    this.connection.stop();
    this.outbox.clear();
    this.#session.logOut();
  }

  get current() {
    return this.open ? this.store.get(this.open) : undefined;
  }

  /** Whether what is on screen may lack something. */
  get isBehind() {
    return this.status.name !== "live" || (this.open !== null && this.reader.isBehind(this.open));
  }

  /** What to call a conversation. */
  title({ info, peer, id }) {
    if (info.title) return info.title;
    if (info.kind === "direct") return peer ? this.users.name(peer) : "Direct conversation";
    return `${info.kind === "broadcast" ? "Broadcast" : "Group"} ${id.slice(-5)}`;
  }

  select(id) {
    this.current?.timeline.trim();
    this.open = id;
    this.history.state = "idle";
    this.seen();
    if (this.current) this.history.load(this.current);
    this.#changed();
  }

  /** The open conversation is in front of somebody. */
  seen() {
    if (this.current && this.#visible() && this.store.markRead(this.current)) this.#changed();
  }

  send(text) {
    this.outbox.add(this.open, text);
  }

  async create({ kind, title, visibility, members }) {
    const body = { kind, members, client_id: this.mint.ulid() };
    if (kind !== "direct") Object.assign(body, { visibility }, title ? { title } : {});
    return this.#enter(await this.rest.create(body));
  }

  async join(id) {
    await this.rest.join(id);
    return this.#enter(await this.rest.conversation(id));
  }

  async leave(id) {
    await this.rest.remove(id, this.me);
    this.#gone(id);
  }

  /** Everybody in a conversation, as far as one may see them. */
  async loadMembers(conversation) {
    const members = [];
    let cursor;
    do {
      const page = await this.rest.members(conversation.id, cursor);
      members.push(...page.items);
      cursor = page.next;
    } while (cursor && members.length < 1000);
    conversation.members = members;
    this.#changed();
    return members;
  }

  #show(status) {
    this.status = status;
    this.#changed();
  }

  #onFrame(frame) {
    switch (frame.type) {
      case "event":
        this.reader.onEvent(frame);
        if (frame.conversation === this.open) this.seen();
        break;
      case "recovered":
        this.reader.onRecovered(frame);
        break;
      case "resync":
        this.reader.onResync(frame);
        break;
      case "ack":
        this.outbox.onAck(frame);
        break;
      case "error":
        if (frame.client_id) this.outbox.onError(frame);
        break;
      case "left":
        this.#gone(frame.conversation);
        break;
      default:
        return;
    }
    this.#changed();
  }

  #apply(event) {
    if (event.conversation === this.me) return this.#applyFeed(event);
    if (event.event === "message.created" && event.by === this.me) this.outbox.onOwnMessage(event.data.client_id);
    this.store.apply(event, event.conversation === this.open && this.#visible());
  }

  #applyFeed({ event, data }) {
    if (event === "conversation.added") this.#untilDone(() => this.#loadList());
    if (event === "conversation.removed") this.#gone(data.conversation);
  }

  // State is read after `live`, never before: what happens meanwhile comes as events.
  async #onLive() {
    this.reader.onLive();
    this.#changed();
    await this.#untilDone(() => this.#loadList());
    if (this.current) this.history.load(this.current);
  }

  async #loadList() {
    const gone = new Set(this.store.conversations.keys());
    let cursor;
    do {
      const { items, next } = await this.rest.conversations(cursor);
      for (const info of items) {
        gone.delete(info.id);
        this.#prepare(this.store.put(info));
      }
      cursor = next;
    } while (cursor);
    for (const id of gone) this.#gone(id);
    this.listed = true;
    this.seen();
    this.#changed();
  }

  #enter(info) {
    this.#prepare(this.store.put(info));
    this.select(info.id);
    return info.id;
  }

  // A direct conversation is called what the other one is called.
  #prepare(conversation) {
    if (conversation.info.kind !== "direct" || conversation.peer) return;
    this.#untilDone(async () => {
      const { items } = await this.rest.members(conversation.id);
      conversation.peer = items.map(({ user }) => user).find((user) => user !== this.me) ?? null;
      this.#changed();
    });
  }

  async #follow(conversation) {
    try {
      await this.connection.ask({ type: "follow", conversation });
    } catch {
      // Not connected: the next `live` follows.
    }
  }

  // Beyond repair by events: the list is read again for the feed, pages for a conversation.
  #reread(id, after, head) {
    if (id === this.me)
      return this.#loadList().then(
        () => true,
        () => false,
      );
    const conversation = this.store.get(id);
    return conversation ? this.history.reread(conversation, after, head) : true;
  }

  #gone(id) {
    this.store.remove(id);
    this.reader.forget(id);
    if (this.open === id) this.open = null;
    this.#changed();
  }

  /** Tries until it works or cannot: views show what is known meanwhile. */
  async #untilDone(work) {
    for (;;) {
      try {
        return await work();
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (!problem.passing || this.#stopped) return undefined;
        await new Promise((resolve) => setTimeout(resolve, problem.retryAfterMs ?? RETRY_MS));
      }
    }
  }
}
