// Who is about to say something.

const SAY_EVERY_MS = 4_000;
const MEMBERS = 100;

export class Typing {
  #say;
  #changed;
  #who = new Map(); // conversation → user → timer
  #said = { conversation: null, at: 0 };

  constructor({ say, changed }) {
    this.#say = say;
    this.#changed = changed;
  }

  /** Who types in a conversation, the first one first. */
  of(conversation) {
    return [...(this.#who.get(conversation)?.keys() ?? [])];
  }

  onFrame({ conversation, user, state, expires_ms }) {
    this.stopped(conversation, user);
    if (state !== "start") return;
    const typists = this.#who.get(conversation) ?? new Map();
    const expire = () => {
      this.stopped(conversation, user);
      this.#changed();
    };
    typists.set(user, setTimeout(expire, expires_ms ?? 6_000));
    this.#who.set(conversation, typists);
  }

  /** They said it, or gave up. */
  stopped(conversation, user) {
    const typists = this.#who.get(conversation);
    clearTimeout(typists?.get(user));
    typists?.delete(user);
    if (typists?.size === 0) this.#who.delete(conversation);
  }

  /** This user changed their draft. */
  wrote({ id, info }, hasText) {
    if (info.kind === "broadcast" || info.members_count > MEMBERS) return;
    const typing = this.#said.conversation === id;
    if (!hasText) return void (typing && this.rest());
    if (typing && Date.now() - this.#said.at < SAY_EVERY_MS) return;
    if (!typing) this.rest();
    if (this.#say({ type: "typing", conversation: id, state: "start" })) {
      this.#said = { conversation: id, at: Date.now() };
    }
  }

  /** This user stopped, or sent it: a message says that by itself. */
  rest({ sent = false } = {}) {
    const { conversation } = this.#said;
    this.#said = { conversation: null, at: 0 };
    if (conversation && !sent) this.#say({ type: "typing", conversation, state: "stop" });
  }
}
