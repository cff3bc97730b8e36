// Who is there. A server that does not know presence is asked once, and nothing is shown.

const WATCHED = 500;
const TOGETHER_MS = 200;

export class Presence {
  /** The server answers: dots may be shown. */
  known = false;
  /** What this user set about themselves; null where the server has no such thing. */
  own = { state: "auto" };
  #rest;
  #ask;
  #changed;
  #states = new Map();
  #watched = new Set(); // in the order they were last wanted
  #news = new Set();
  #counts = new Map();
  #absent = false;
  #timer = null;

  constructor({ rest, ask, changed }) {
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

  onFrame({ states }) {
    this.known = true;
    for (const { user, ...state } of states ?? []) this.#states.set(user, state);
  }

  onCounts({ conversation, online }) {
    this.#counts.set(conversation, online);
  }

  /** Throws a `Problem` where it is refused. */
  async set(status) {
    try {
      this.own = (await this.#rest.setStatus(status)) ?? status;
    } catch (problem) {
      if (problem.code !== "not_found" && problem.code !== "method_not_allowed") throw problem;
      this.own = null;
    }
    this.#changed();
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
