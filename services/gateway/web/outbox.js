// Sends that the log has not acknowledged. They survive a reload and go out again with the same client id, so a retry
// through any gateway makes no second message.

const ACK_WITHIN_MS = 10_000;
const GIVE_UP_MS = 60_000;
const PASSING = new Set([
  "log_unavailable",
  "store_unavailable",
  "hook_unavailable",
  "outcome_unknown",
  "storage_full",
  "internal",
  "overloaded",
  "draining",
  "rate_limited",
  "slow_mode",
]);

/**
 * One message of a conversation is on its way at a time, so a failed try never lets a later message overtake it.
 *
 * `transmit(frame)` says a frame or answers false; `find(entry)` looks for a message that an earlier try may have made;
 * `acknowledged(entry, ack)` and `changed()` report.
 */
export class Outbox {
  #prefix;
  #mint;
  #clock;
  #transmit;
  #find;
  #acknowledged;
  #changed;
  #entries = new Map(); // in the order they were written
  #up = false;

  constructor({ user, mint, clock, transmit, find, acknowledged, changed }) {
    this.#prefix = `chat.outbox.${user}.`;
    this.#mint = mint;
    this.#clock = clock;
    this.#transmit = transmit;
    this.#find = find;
    this.#acknowledged = acknowledged;
    this.#changed = changed;
    for (const entry of this.#restore()) this.#entries.set(entry.client_id, entry);
  }

  of(conversation) {
    return [...this.#entries.values()].filter((entry) => entry.conversation === conversation);
  }

  get size() {
    return this.#entries.size;
  }

  /** `text`, and perhaps `spans`, `reply_to`, `forward_of`. */
  add(conversation, content) {
    const at = new Date(this.#clock.now()).toISOString();
    const entry = { ...content, client_id: this.#mint.ulid(), conversation, at, state: "waiting", tried: false };
    this.#keep(entry);
    this.#pump(conversation);
    return entry;
  }

  /** Tries a failed one again, still as the same message. */
  retry(clientId) {
    const entry = this.#entries.get(clientId);
    if (entry?.state !== "failed") return;
    this.#keep(Object.assign(entry, { state: "waiting", code: undefined, detail: undefined, since: undefined }));
    this.#pump(entry.conversation);
  }

  discard(clientId) {
    this.#remove(clientId);
  }

  /** Forgets everything, at log-out. */
  clear() {
    for (const clientId of [...this.#entries.keys()]) this.#remove(clientId);
  }

  /** A socket takes frames: whatever was on its way on another may be lost and goes out again. */
  onReady() {
    this.#up = true;
    for (const entry of this.#entries.values()) {
      entry.since = undefined;
      if (entry.state === "sent") this.#rest(entry);
    }
    for (const conversation of new Set([...this.#entries.values()].map((entry) => entry.conversation))) {
      this.#pump(conversation);
    }
  }

  onDown() {
    this.#up = false;
    for (const entry of this.#entries.values()) if (entry.state === "sent") this.#rest(entry);
  }

  onAck(ack) {
    const entry = this.#remove(ack.client_id);
    if (!entry) return;
    this.#acknowledged(entry, ack);
    this.#pump(entry.conversation);
  }

  /** Our own message came as an event, perhaps before its ack or instead of it. */
  onOwnMessage(clientId) {
    const entry = this.#remove(clientId);
    if (entry) this.#pump(entry.conversation);
  }

  async onError(error) {
    const entry = this.#entries.get(error.client_id);
    if (!entry) return;
    if (error.code === "clock_skew") return this.#remint(entry, error);
    // Who must wait for long is told, and sends it themselves: nobody expects their words an hour later.
    const { retry_after_ms: wait = 0 } = error;
    const late = Date.now() + wait - entry.since > GIVE_UP_MS;
    if (!PASSING.has(error.code) || late) return this.#fail(entry, error);
    entry.code = error.code;
    this.#rest(entry, (error.retry_after_ms ?? 1000) + Math.random() * 500);
  }

  #pump(conversation) {
    if (!this.#up) return;
    const next = this.of(conversation).find((entry) => entry.state !== "failed");
    if (next?.state !== "waiting" || next.timer) return;
    const { client_id, text, spans, reply_to, forward_of } = next;
    if (!this.#transmit({ type: "send", client_id, conversation, text, spans, reply_to, forward_of })) return;
    next.state = "sent";
    next.since ??= Date.now();
    next.timer = setTimeout(() => this.onError({ client_id, code: "outcome_unknown" }), ACK_WITHIN_MS);
    if (!next.tried) this.#keep(Object.assign(next, { tried: true }));
  }

  /** Back to waiting, and out again after `ms`. */
  #rest(entry, ms = 0) {
    clearTimeout(entry.timer);
    entry.state = "waiting";
    entry.timer = undefined;
    if (ms === 0) return;
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      this.#pump(entry.conversation);
    }, ms);
  }

  #fail(entry, { code, detail }) {
    this.#rest(entry);
    this.#keep(Object.assign(entry, { state: "failed", code, detail }));
    this.#pump(entry.conversation);
  }

  // The id's time is refused. A new id may be minted only if no earlier try under the old one was accepted.
  async #remint(entry, { time }) {
    if (time) this.#clock.correct(time);
    clearTimeout(entry.timer);
    entry.timer = undefined;
    let found;
    try {
      found = await this.#find(entry);
    } catch {
      return this.#fail(entry, { code: "clock_skew" });
    }
    if (found) return this.onAck({ client_id: entry.client_id, id: found.id, seq: found.seq, duplicate: true });
    if (!this.#entries.has(entry.client_id)) return;
    const fresh = { ...entry, client_id: this.#mint.ulid(), state: "waiting", tried: false, since: undefined };
    // In its old place: what was written later stays behind it.
    this.#entries = new Map([...this.#entries].map(([id, it]) => (it === entry ? [fresh.client_id, fresh] : [id, it])));
    localStorage.removeItem(this.#prefix + entry.client_id);
    this.#keep(fresh);
    this.#pump(fresh.conversation);
  }

  #keep(entry) {
    this.#entries.set(entry.client_id, entry);
    const { timer: _timer, since: _since, ...kept } = entry;
    const state = entry.state === "failed" ? "failed" : "waiting";
    try {
      localStorage.setItem(this.#prefix + entry.client_id, JSON.stringify({ ...kept, state }));
    } catch {
      // Storage is full or forbidden: the message is kept for as long as this page lives.
    }
    this.#changed();
  }

  #remove(clientId) {
    const entry = this.#entries.get(clientId);
    if (!entry) return null;
    clearTimeout(entry.timer);
    this.#entries.delete(clientId);
    localStorage.removeItem(this.#prefix + clientId);
    this.#changed();
    return entry;
  }

  #restore() {
    const entries = [];
    for (const key of Object.keys(localStorage).filter((name) => name.startsWith(this.#prefix))) {
      try {
        entries.push(JSON.parse(localStorage.getItem(key)));
      } catch {
        localStorage.removeItem(key);
      }
    }
    return entries.sort((a, b) => a.at.localeCompare(b.at) || (a.client_id < b.client_id ? -1 : 1));
  }
}
