// The states of a client: OPEN, CHECK, REPLAY, LIVE, LEAVING, CLOSED, and what happens between two sockets.
// It knows frames by their type only; positions are `reader.js`, sends are `outbox.js`, one socket is `link.js`.

import { Link } from "./link.js";

const ANSWER_WITHIN_MS = 15_000;
const RENEW_BEFORE_MS = 90_000;
const IGNORED_LIMIT_MS = 10_000;

/** What a close code asks of a client: `wait` and come back, `renew` the token first, `log_in`, or `stop`. */
export function afterClose(code) {
  if (code === 4004 || code === 4501) return "renew";
  if (code === 4503) return "log_in";
  const fatal = code >= 4500 || [1002, 1003, 1007, 1008, 1009, 1010].includes(code);
  return fatal ? "stop" : "wait";
}

/** Full jitter: between nothing and a bound that doubles with every attempt. */
export function backoffMs(attempt, { base_ms, max_ms }, chance = Math.random()) {
  return chance * Math.min(max_ms, base_ms * 2 ** Math.min(attempt, 30));
}

/**
 * Keeps one socket to any gateway.
 *
 * `on.status({name, …})` is what a person should see: connecting, catching_up, live, waiting {until}, stopped {code}.
 * `on.ready(frame)`: frames may be sent; `on.frame(frame)`: anything else; `on.live()`; `on.down()`; `on.loggedOut(why)`.
 */
export class Connection {
  #session;
  #clock;
  #cursors;
  #on;
  #link = null; // in use
  #heir = null; // dialled after a goaway, not ready yet
  #elder = null; // left for its heir, still served until that is live
  #resumeToken = null;
  #policy = { base_ms: 500, max_ms: 30_000, stable_ms: 60_000 };
  #attempt = 0;
  #refused = null; // the access token that was refused
  #liveSince = null;
  #timers = new Map();
  #round = 0;
  #answers = new Map();
  #ref = 0;

  constructor({ session, clock, cursors, on }) {
    this.#session = session;
    this.#clock = clock;
    this.#cursors = cursors;
    this.#on = on;
  }

  start() {
    this.#resumeToken = null;
    this.#attempt = 0;
    this.#connect();
  }

  stop() {
    this.#round += 1;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    for (const link of [this.#link, this.#heir, this.#elder]) link?.close();
    this.#link = this.#heir = this.#elder = null;
    this.#failAnswers();
  }

  /** Not waiting any longer: the person asked, or the network is back. */
  hurry() {
    if (this.#timers.has("wait")) this.#connect();
    else this.#link?.probe();
  }

  /** Says it, if a socket takes frames now. */
  say(frame) {
    return this.#link?.ready === true && this.#link.say(frame);
  }

  /** Says it with a `ref` and waits for the frame that carries the same. */
  ask(frame) {
    const ref = ++this.#ref;
    return new Promise((resolve, reject) => {
      if (!this.say({ ...frame, ref })) return reject(new Error("not connected"));
      const timer = setTimeout(
        () => this.#settle(ref, (answer) => answer.reject(new Error("no answer"))),
        ANSWER_WITHIN_MS,
      );
      this.#answers.set(ref, { resolve, reject, timer });
    });
  }

  /** A socket whose view cannot be repaired is worth less than a new one. */
  restart() {
    const link = this.#link;
    if (!link) return;
    link.close();
    this.#onClose(link, 1006);
  }

  async #connect() {
    this.#cancel("wait");
    const round = ++this.#round;
    this.#on.status({ name: "connecting" });
    const first = await this.#firstFrame(round);
    if (first && round === this.#round) this.#link = this.#dial(first);
  }

  async #firstFrame(round) {
    if (this.#resumeToken) return this.#resume();
    try {
      return await this.#hello();
    } catch (problem) {
      if (round !== this.#round) return null;
      if (problem.passing) this.#wait(problem.retryAfterMs);
      else this.#on.loggedOut(problem.code);
      return null;
    }
  }

  #resume = () => ({ type: "resume", resume_token: this.#resumeToken, cursors: this.#cursors() });

  async #hello() {
    const token = await this.#session.accessToken({ lifeMs: 60_000, not: this.#refused });
    const device = this.#session.device;
    return { type: "hello", token, device, client: "console/1", follow: "auto", cursors: this.#cursors() };
  }

  #dial(first) {
    const link = new Link(first, {
      frame: (frame) => this.#onFrame(link, frame),
      close: (code) => this.#onClose(link, code),
    });
    return link;
  }

  #onFrame(link, frame) {
    if (![this.#link, this.#heir, this.#elder].includes(link)) return;
    switch (frame.type) {
      case "ready":
        return this.#onReady(link, frame);
      case "live":
        return this.#onLive(link, frame);
      case "renewed":
        this.#resumeToken = frame.resume_token;
        return;
      case "goaway":
        return this.#later("handover", frame.after_ms, () => this.#handOver());
      case "auth_expiring":
        return this.#renew();
      case "pong":
        return this.#clock.correct(frame.time);
      case "error":
        if (!link.ready) return this.#onRefused(link, frame);
    }
    if (frame.ref) this.#settle(frame.ref, (answer) => answer.resolve(frame));
    this.#on.frame(frame);
  }

  async #onRefused(link, { code, retry_after_ms }) {
    link.toldMs = retry_after_ms ?? null;
    if (code !== "resume_expired") return;
    this.#resumeToken = null;
    try {
      link.say(await this.#hello());
    } catch {
      link.close();
      this.#onClose(link, 1006);
    }
  }

  #onReady(link, frame) {
    link.onReady(frame.ping_ms);
    this.#policy = frame.reconnect ?? this.#policy;
    this.#refused = null;
    this.#clock.correct(frame.time);
    this.#later("renew", Date.parse(frame.token_expires_at) - this.#clock.now() - RENEW_BEFORE_MS, () => this.#renew());
    if (link === this.#heir) {
      this.#elder = this.#link;
      this.#link = link;
      this.#heir = null;
    } else {
      this.#on.status({ name: "catching_up" });
    }
    this.#on.ready(frame);
  }

  #onLive(link, frame) {
    if (link !== this.#link) return;
    this.#resumeToken = frame.resume_token;
    this.#liveSince = Date.now();
    this.#elder?.close();
    this.#elder = null;
    this.#on.status({ name: "live" });
    this.#on.live();
  }

  #onClose(link, code) {
    if (link === this.#elder) {
      this.#elder = null;
    } else if (link === this.#heir) {
      this.#heir = null;
      if (this.#link) this.#later("handover", backoffMs(this.#attempt++, this.#policy), () => this.#handOver());
    } else if (link === this.#link) {
      this.#onDown(link, code);
    }
  }

  #onDown(link, code) {
    for (const other of [this.#heir, this.#elder]) other?.close();
    this.#link = this.#heir = this.#elder = null;
    for (const name of ["handover", "renew"]) this.#cancel(name);
    this.#failAnswers();
    this.#on.down();
    if (this.#liveSince && Date.now() - this.#liveSince >= this.#policy.stable_ms) this.#attempt = 0;
    this.#liveSince = null;
    const next = afterClose(code);
    if (next === "log_in" || (next === "renew" && this.#refused)) return this.#on.loggedOut("token_revoked");
    if (next === "stop") return this.#on.status({ name: "stopped", code });
    if (next === "renew") {
      this.#resumeToken = null;
      this.#refused = link.token;
    }
    this.#wait(link.toldMs ?? (code === 4005 ? IGNORED_LIMIT_MS : null));
  }

  #wait(toldMs = null) {
    const jitter = backoffMs(this.#attempt, this.#policy);
    this.#attempt += 1;
    const ms = toldMs === null ? jitter : toldMs + Math.min(jitter, 1000);
    this.#on.status({ name: "waiting", until: Date.now() + ms });
    this.#later("wait", ms, () => this.#connect());
  }

  // The old socket serves until the new one does: nobody notices that a gateway leaves.
  #handOver() {
    if (this.#link && !this.#heir && this.#resumeToken) this.#heir = this.#dial(this.#resume());
  }

  async #renew() {
    try {
      const token = await this.#session.accessToken({ lifeMs: 2 * RENEW_BEFORE_MS });
      const answer = await this.ask({ type: "auth", token });
      if (answer.type === "error") throw new Error(answer.code);
      const life = this.#session.expiresAt - Date.now() - RENEW_BEFORE_MS;
      this.#later("renew", Math.max(life, 10_000), () => this.#renew());
    } catch {
      if (this.#link) this.#later("renew", 10_000, () => this.#renew());
    }
  }

  #settle(ref, how) {
    const answer = this.#answers.get(ref);
    if (!answer) return false;
    clearTimeout(answer.timer);
    this.#answers.delete(ref);
    how(answer);
    return true;
  }

  #failAnswers() {
    for (const ref of [...this.#answers.keys()])
      this.#settle(ref, (answer) => answer.reject(new Error("disconnected")));
  }

  #later(name, ms, work) {
    this.#cancel(name);
    const run = () => {
      this.#timers.delete(name);
      work();
    };
    this.#timers.set(name, setTimeout(run, Math.max(0, ms)));
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
