// Whom this user does not want to hear from.

import { everything } from "./routes.js";

export class Blocks {
  #rest;
  #changed;
  #blocked = new Map(); // user → since when

  constructor({ rest, changed }) {
    this.#rest = rest;
    this.#changed = changed;
  }

  has(user) {
    return this.#blocked.has(user);
  }

  get all() {
    return [...this.#blocked].map(([user, at]) => ({ user, at }));
  }

  async load() {
    const items = await everything((cursor) => this.#rest.blocks(cursor));
    this.#blocked = new Map(items.map(({ user, at }) => [user, at]));
    this.#changed();
  }

  async add(user) {
    await this.#rest.block(user);
    this.onChange({ event: "block.added", data: { user }, at: new Date().toISOString() });
  }

  async lift(user) {
    await this.#rest.unblock(user);
    this.onChange({ event: "block.removed", data: { user } });
  }

  /** Also from another device, by the feed. */
  onChange({ event, data: { user }, at }) {
    if (event === "block.added") this.#blocked.set(user, at);
    else this.#blocked.delete(user);
    this.#changed();
  }
}
