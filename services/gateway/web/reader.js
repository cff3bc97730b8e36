// Positions: per conversation the last event we have, what is a repeat, what is a gap, what must be read again.

const CURSORS = 500;
const RETRY_MS = 2_000;
const HELD = 5_000;
const REFUSED = new Set(["not_found", "not_a_member", "forbidden", "limit_reached"]);

/**
 * Lets every event through once and in order, or asks for what is missing.
 *
 * `on.apply(event)` stores an event; only then its cursor moves. `on.follow(conversation, after)` asks the gateway to
 * repair a gap. `on.reread(conversation, after, head)` reads by REST what the gateway could not send: it answers true
 * once everything up to `head` was passed to `take` or forgotten. `on.unfollowed(conversation)`: no more events come.
 * `on.broken()`: this socket's view is beyond repair.
 */
export class Reader {
  #on;
  #cursors = new Map();
  #repairing = new Set();
  #rereading = new Map(); // conversation → {head, held}: what to read up to, and the events behind it
  #named = new Set(); // by this socket, so followed on it
  #socket = 0;

  constructor(on) {
    this.#on = on;
  }

  /** What a resume starts from: the most recently moved first to stay. */
  cursors() {
    return Object.fromEntries([...this.#cursors].slice(-CURSORS));
  }

  cursor(conversation) {
    return this.#cursors.get(conversation);
  }

  /** Whether events of a conversation are known to be missing at this moment. */
  isBehind(conversation) {
    return this.#repairing.has(conversation) || this.#rereading.has(conversation);
  }

  forget(conversation) {
    this.#cursors.delete(conversation);
    this.#repairing.delete(conversation);
    this.#rereading.delete(conversation);
  }

  /** A new socket replays from our cursors, so nothing asked of the one before matters. */
  onSocket() {
    this.#socket += 1;
    this.#repairing.clear();
    this.#rereading.clear();
    this.#named.clear();
  }

  /**
   * Replay is over. A resume token knows only what was followed when it was made: what was added since and lost with
   * the socket is followed again, from where we are.
   */
  onLive() {
    for (const [conversation, last] of this.#cursors) {
      if (!this.#named.has(conversation)) this.#repair(conversation, last);
    }
  }

  onEvent(event) {
    const { conversation, seq, prev } = event;
    const rereading = this.#rereading.get(conversation);
    if (rereading) {
      if (rereading.held.push(event) > HELD) this.#on.broken();
      return;
    }
    const last = this.#cursors.get(conversation);
    if (last !== undefined && seq <= last) return;
    if (last !== undefined && prev !== 0 && prev !== last) {
      this.#repair(conversation, last);
      return;
    }
    this.take(event);
  }

  /** Stores one event and moves the cursor behind it. Repeats are dropped. */
  take(event) {
    const last = this.#cursors.get(event.conversation);
    if (last !== undefined && event.seq <= last) return;
    this.#on.apply(event);
    this.#move(event.conversation, event.seq);
  }

  onRecovered({ heads }) {
    for (const [conversation, head] of Object.entries(heads)) {
      this.#named.add(conversation);
      if (this.isBehind(conversation)) continue;
      if (head >= (this.#cursors.get(conversation) ?? 0)) this.#move(conversation, head);
    }
  }

  async onResync({ conversation, from, head, reason }) {
    this.#named.add(conversation);
    this.#repairing.delete(conversation);
    const known = this.#rereading.get(conversation);
    if (known) {
      // A later one reaches further: the reading under way goes on to its head, and nothing held is lost.
      known.head = Math.max(known.head, head);
      return;
    }
    const socket = this.#socket;
    const rereading = { head, held: [] };
    this.#rereading.set(conversation, rereading);
    const current = () => socket === this.#socket && this.#rereading.get(conversation) === rereading;
    let after = reason === "ahead" ? null : (this.#cursors.get(conversation) ?? from);
    for (let done = null; current() && done !== rereading.head;) {
      const upTo = rereading.head;
      if (await this.#on.reread(conversation, after, upTo)) {
        after = done = upTo;
      } else {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    if (!current()) return;
    this.#rereading.delete(conversation);
    if (reason === "ahead" || rereading.head > (this.#cursors.get(conversation) ?? 0)) {
      this.#move(conversation, rereading.head);
    }
    for (const event of rereading.held) this.onEvent(event);
  }

  // Whatever else comes before the answer belongs behind the gap: it is dropped and comes again with the replay.
  async #repair(conversation, after) {
    if (this.#repairing.has(conversation)) return;
    this.#repairing.add(conversation);
    const socket = this.#socket;
    let answer = null;
    try {
      answer = await this.#on.follow(conversation, after);
    } catch {
      // No answer: treated below like a refusal.
    }
    if (socket !== this.#socket || !this.#repairing.delete(conversation)) return;
    if (answer?.type === "recovered") {
      this.onRecovered(answer);
    } else if (REFUSED.has(answer?.code)) {
      this.forget(conversation);
      this.#on.unfollowed(conversation);
    } else {
      this.#on.broken();
    }
  }

  #move(conversation, seq) {
    this.#cursors.delete(conversation);
    this.#cursors.set(conversation, seq);
  }
}
