// Who is there. A server that does not know presence is asked once, and nothing is shown.

const WATCHED = 500;
const TOGETHER_MS = 200;

export class Presence {
  /** The server answers: dots may be shown. */
  known = false;
  /** The server has no statuses. */
  #mute = false;
  #me;
  #rest;
  #ask;
  #changed;
  #states = new Map();
  #watched = new Set(); // in the order they were last wanted
  #news = new Set();
  #counts = new Map();
  #absent = false;
  #timer = null;

  constructor({ me, rest, ask, changed }) {
    this.#me = me;
    this.#rest = rest;
    this.#ask = ask;
    this.#changed = changed;
  }

  /** `{state, text?, last_seen?}`, or undefined while it is not known. */
  of(user) {
    return this.#states.get(user);
  }

  /** How many are online in a conversation that is too big to name them. */
  count(conversation) {
    return this.#counts.get(conversation);
  }

  /** These people are on screen. */
  want(users) {
    if (this.#absent) return;
    for (const user of users.slice(0, WATCHED)) {
      if (!this.#watched.delete(user)) this.#news.add(user);
      this.#watched.add(user);
    }
    if (this.#news.size > 0) this.#timer ??= setTimeout(() => this.#watch(), TOGETHER_MS);
  }

  /** What was watched on the socket before is watched on this one. */
  onReady() {
    for (const user of this.#watched) this.#news.add(user);
    if (!this.#absent && this.#news.size > 0) this.#timer ??= setTimeout(() => this.#watch(), TOGETHER_MS);
  }

  /** States of people, or how many of a big conversation are online. */
  onFrame({ type, states, conversation, online }) {
    this.known = true;
    if (type === "counts") this.#counts.set(conversation, online);
    for (const { user, ...state } of states ?? []) this.#states.set(user, state);
  }

  /** How this user is seen, as `{state, text}` of a status; null where the server has no such thing. */
  get own() {
    if (!this.known || this.#mute) return null;
    const { state, text = "" } = this.of(this.#me) ?? {};
    return { state: { dnd: "dnd", offline: "invisible" }[state] ?? "auto", text };
  }

  /** Throws a `Problem` where it is refused; answers whether the server has statuses. */
  async set(status) {
    try {
      await this.#rest.setStatus(status);
    } catch (problem) {
      if (problem.code !== "not_found" && problem.code !== "method_not_allowed") throw problem;
      this.#mute = true;
    }
    this.#changed();
    return !this.#mute;
  }

  async #watch() {
    this.#timer = null;
    const remove = [...this.#watched].slice(0, Math.max(0, this.#watched.size - WATCHED));
    for (const user of remove) {
      this.#watched.delete(user);
      this.#states.delete(user);
    }
    const add = [...this.#news].filter((user) => this.#watched.has(user));
    this.#news.clear();
    let answer;
    try {
      answer = await this.#ask({ type: "watch", add, ...(remove.length > 0 ? { remove } : {}) });
    } catch {
      return; // No socket: the next `ready` asks again.
    }
    if (answer.code === "unknown_type") this.#absent = true;
    if (answer.type === "presence") this.onFrame(answer);
    this.#changed();
  }
}
