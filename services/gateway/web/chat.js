// The client without its screen: wires session, socket, positions, sends and knowledge together.

import { Actions } from "./actions.js";
import { Blocks } from "./blocks.js";
import { Connection } from "./connection.js";
import { LEFT, applyFeed } from "./feed.js";
import { History } from "./history.js";
import { Clock, Mint } from "./ids.js";
import { List, patience } from "./list.js";
import { Marks } from "./marks.js";
import { Members } from "./members.js";
import { Outbox } from "./outbox.js";
import { Presence } from "./presence.js";
import { Reader } from "./reader.js";
import { Rest } from "./routes.js";
import { Store } from "./store.js";
import { Typing } from "./typing.js";
import { Users } from "./users.js";

const RETRY_MS = 3_000;
const LONG = 800; // rows, beyond which the far end of an open conversation is forgotten

/**
 * `changed()` after anything a view shows; `told(text)`: news; `called(event)`: somebody else wrote; `loggedOut()` when
 * the server ended the session.
 */
export class Chat {
  status = { name: "connecting" };
  open = null;
  /** The newest message of the open conversation is on screen. */
  atEnd = true;
  #session;
  #told;
  #called;
  #stopped = false;
  #patiently = patience({ retryMs: RETRY_MS, stopped: () => this.#stopped });
  #visible = () => document.visibilityState === "visible";

  constructor(session, { changed, told, called, loggedOut }) {
    this.#session = session;
    this.#told = told;
    this.#called = called;
    this.changed = changed;
    this.me = session.user.id;
    this.rest = new Rest(session);
    this.users = new Users(this.rest, changed);
    this.store = new Store(this.me, (user) => this.blocks.has(user));
    this.profile = session.user;
    this.users.put(session.user);
    const clock = new Clock();
    this.clock = clock;
    this.mint = new Mint(clock);
    const say = (frame) => this.connection.say(frame);
    const { me, rest, store, users, mint } = this;
    this.blocks = new Blocks({ rest, changed });
    this.members = new Members({ me, rest, users, changed });
    this.marks = new Marks({ me, rest, store, say, changed });
    this.typing = new Typing({ say, changed });
    this.presence = new Presence({ me, rest, ask: (frame) => this.connection.ask(frame), changed });
    this.actions = new Actions(this);
    const untilDone = this.#patiently;
    this.list = new List({ me, rest, store, on: { changed, untilDone, gone: (id) => this.gone(id) } });
    this.reader = new Reader({
      apply: (event) => this.#apply(event),
      follow: (conversation, after) => this.connection.ask({ type: "follow", conversation, after }),
      reread: (conversation, after, head) => this.#reread(conversation, after, head),
      unfollowed: (conversation) => this.store.forgetTimeline(conversation),
      broken: () => this.connection.restart(),
    });
    this.outbox = new Outbox({
      user: me,
      mint,
      clock,
      transmit: say,
      find: (entry) => this.history.find(entry),
      acknowledged: (entry, ack) => this.store.acknowledge(entry, ack),
      changed,
    });
    const { reader, outbox } = this;
    this.history = new History({
      ...{ me, rest, store, reader, outbox },
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
        status: (status) => {
          this.status = status;
          changed();
        },
        ready: () => this.#onReady(),
        live: () => this.#onLive(),
        down: () => this.outbox.onDown(),
        frame: (frame) => this.#onFrame(frame),
        loggedOut,
      },
    });
  }

  start() {
    this.connection.start();
    this.#patiently(async () => this.putMe(await this.rest.me()));
    this.#patiently(() => this.blocks.load());
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

  putMe(user) {
    this.profile = { ...this.profile, ...user };
    this.users.put(this.profile);
    this.changed();
  }

  select(id) {
    if (id !== this.open) {
      this.current?.timeline.trim();
      this.typing.rest();
    }
    this.open = id;
    this.atEnd = true;
    this.history.state = this.history.ahead = "idle";
    const { current } = this;
    if (current) {
      const { count, read } = current.unread;
      current.divider = count > 0 ? { after: read, count } : null;
      this.#look(current);
    }
    this.focus();
    this.seen();
    this.changed();
  }

  /** What is on screen is told, so that its signals come; what nobody looks at brings none. */
  focus() {
    const conversations = this.current && this.#visible() ? [this.open] : [];
    this.connection.say({ type: "focus", conversations });
  }

  /** The end of the open conversation is in front of somebody, or is not. */
  seen() {
    const { current } = this;
    if (!current) return;
    if (this.#visible() && this.atEnd && !current.timeline.detached) {
      if (this.marks.read(current)) this.changed();
      current.timeline.trim(LONG);
    } else if (current.unread.count > 0) {
      current.divider ??= { after: current.unread.read, count: current.unread.count };
    }
  }

  /** A conversation that was made or joined. */
  enter(info) {
    this.list.put(info);
    this.select(info.id);
    return info.id;
  }

  gone(id) {
    this.store.remove(id);
    this.reader.forget(id);
    if (this.open === id) this.open = null;
    this.changed();
  }

  #onLeft({ conversation: id, reason }) {
    const conversation = this.store.get(id);
    if (conversation && LEFT[reason]) this.#told(`${LEFT[reason]} ${this.title(conversation)}`);
    this.gone(id);
  }

  #look(conversation) {
    this.history.load(conversation);
    if (this.status.name !== "live") return;
    this.marks.load(conversation);
    this.members.load(conversation).catch(() => {});
  }

  #onReady() {
    this.reader.onSocket();
    this.outbox.onReady();
    this.marks.onReady();
    this.presence.onReady();
    this.focus();
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
      case "marker":
        if (this.marks.onMarker(frame)) this.list.ask();
        break;
      case "typing":
        this.typing.onFrame(frame);
        break;
      case "presence":
      case "counts":
        this.presence.onFrame(frame);
        break;
      case "error":
        if (frame.client_id) this.outbox.onError(frame);
        break;
      case "left":
        this.#onLeft(frame);
        break;
      default:
        return;
    }
    this.changed();
  }

  #apply(event) {
    const { conversation: id, by } = event;
    if (id === this.me) return applyFeed(this, event, this.#patiently);
    const message = event.event === "message.created";
    if (message && by === this.me) this.outbox.onOwnMessage(event.data.client_id);
    if (message) this.typing.stopped(id, by);
    const { list, message: recount } = this.store.apply(event);
    if (message && by !== this.me) {
      this.marks.delivered(id, event.seq);
      this.#called(event);
    }
    if (list) this.list.ask();
    if (recount) this.history.recount(this.store.get(id), recount);
  }

  // State is read after `live`, never before: what happens meanwhile comes as events.
  async #onLive() {
    this.reader.onLive();
    this.changed();
    await this.#patiently(() => this.list.load({ whole: !this.list.known }));
    this.seen();
    if (this.current) this.#look(this.current);
  }

  async #follow(conversation) {
    try {
      await this.connection.ask({ type: "follow", conversation });
    } catch {
      // Not connected: the next `live` follows.
    }
  }

  // Beyond repair by events: the list is read again for the feed, pages for a conversation.
  async #reread(id, after, head) {
    if (id === this.me) return this.list.tryWhole();
    const conversation = this.store.get(id);
    if (!conversation) return true;
    const done = await this.history.reread(conversation, after, head);
    if (conversation === this.current) this.#look(conversation);
    return done;
  }
}
