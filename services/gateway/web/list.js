// The list of conversations: read whole once, then only what changed, and who is at the other end of direct ones.

import { Problem } from "./rest.js";

const PEERS_AT_ONCE = 6;
const TOGETHER_MS = 500;

/** `untilDone(work)` tries until it works or cannot; `gone(id)`: one is not listed any more. */
export class List {
  /** The list was read once, so "none" means none. */
  known = false;
  #me;
  #rest;
  #store;
  #on;
  #since; // what the last answer stands for
  #timer = null;
  #peers = []; // conversations whose other end is not known yet
  #asking = 0;

  constructor({ me, rest, store, on }) {
    this.#me = me;
    this.#rest = rest;
    this.#store = store;
    this.#on = on;
  }

  /** Reads what changed since the last time, or all. Throws a `Problem`. */
  async load({ whole = false } = {}) {
    const since = whole ? undefined : this.#since;
    try {
      await this.#read(since);
    } catch (problem) {
      if (since === undefined || problem.code !== "invalid") throw problem;
      // A token of another time: the list is read whole.
      await this.#read(undefined);
    }
    this.known = true;
    this.#on.changed();
  }

  /** Reads all of it again. Answers whether that worked. */
  tryWhole() {
    return this.load({ whole: true }).then(
      () => true,
      () => false,
    );
  }

  /** Something is not certain: asked together with whatever else is in the next moment. */
  ask() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#on.untilDone(() => this.load());
    }, TOGETHER_MS);
  }

  /** A conversation as REST gave it. */
  put(info) {
    const conversation = this.#store.put(info);
    if (conversation.info.kind === "direct" && !conversation.peer && !this.#peers.includes(conversation)) {
      this.#peers.push(conversation);
      this.#askPeers();
    }
    return conversation;
  }

  async #read(since) {
    const gone = new Set(since === undefined ? this.#store.conversations.keys() : []);
    let stands;
    let cursor;
    do {
      const page = await this.#rest.conversations({ since, cursor });
      stands ??= page.since;
      for (const info of page.items) {
        gone.delete(info.id);
        this.put(info);
      }
      cursor = page.next;
    } while (cursor);
    for (const id of gone) this.#on.gone(id);
    this.#since = stands;
  }

  // A direct conversation is called what the other one is called.
  #askPeers() {
    while (this.#asking < PEERS_AT_ONCE && this.#peers.length > 0) {
      this.#asking += 1;
      this.#askPeer(this.#peers.shift()).finally(() => {
        this.#asking -= 1;
        this.#askPeers();
      });
    }
  }

  async #askPeer(conversation) {
    await this.#on.untilDone(async () => {
      const { items } = await this.#rest.members(conversation.id);
      conversation.peer = items.map(({ user }) => user).find((user) => user !== this.#me) ?? null;
      this.#on.changed();
    });
  }
}

/** Tries until it works or cannot, and not beyond the end: views show what is known meanwhile. */
export function patience({ retryMs, stopped }) {
  return async (work) => {
    for (;;) {
      try {
        return await work();
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (!problem.passing || stopped()) return undefined;
        await new Promise((resolve) => setTimeout(resolve, problem.retryAfterMs ?? retryMs));
      }
    }
  };
}
