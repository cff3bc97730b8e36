// People's names, fetched in batches when somebody first needs them.

import { shortId } from "./ids.js";

const BATCH = 100;
const TOGETHER_MS = 20;

/** Answers what is known at once, and calls `changed` when more is. */
export class Users {
  #rest;
  #changed;
  #known = new Map();
  #wanted = new Set();
  #timer = null;
  #byList = true; // until the route turns out to be absent

  constructor(rest, changed) {
    this.#rest = rest;
    this.#changed = changed;
  }

  put(user) {
    if (user?.id) this.#known.set(user.id, user);
  }

  /** All that is known of somebody. */
  get(id) {
    return this.#known.get(id);
  }

  /** What to call somebody: their display name, their name, or the end of their id. */
  name(id) {
    const user = this.#known.get(id);
    if (user === undefined) this.#want(id);
    return user?.display_name || user?.name || shortId(id);
  }

  /** The address of their picture, if they have one. */
  picture(id) {
    return this.#known.get(id)?.avatar_url;
  }

  /** `@name`, or nothing while it is unknown. */
  handle(id) {
    const user = this.#known.get(id);
    return user?.name ? `@${user.name}` : "";
  }

  /** Users whose name starts so; throws a `Problem` where the server cannot search. */
  async search(prefix) {
    const { items } = await this.#rest.users({ name_prefix: prefix, limit: 8 });
    for (const user of items) this.put(user);
    return items;
  }

  #want(id) {
    this.#wanted.add(id);
    this.#timer ??= setTimeout(() => this.#fetch(), TOGETHER_MS);
  }

  async #fetch() {
    const ids = [...this.#wanted].slice(0, BATCH);
    const found = this.#byList ? await this.#list(ids) : await this.#each(ids);
    for (const user of found) this.put(user);
    for (const id of ids) {
      this.#wanted.delete(id);
      if (!this.#known.has(id)) this.#known.set(id, null);
    }
    this.#timer = this.#wanted.size > 0 ? setTimeout(() => this.#fetch(), TOGETHER_MS) : null;
    this.#changed();
  }

  async #list(ids) {
    try {
      return (await this.#rest.users({ ids: ids.join(",") })).items;
    } catch (problem) {
      if (![404, 405, 422].includes(problem.status)) return this.#later(ids);
      this.#byList = false;
      return this.#each(ids);
    }
  }

  async #each(ids) {
    const answers = await Promise.allSettled(ids.map((id) => this.#rest.user(id)));
    const failed = ids.filter((_, place) => answers[place].reason?.passing);
    if (failed.length > 0) this.#later(failed);
    return answers.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  }

  // The server did not answer: these are asked for again the next time somebody needs them.
  #later(ids) {
    setTimeout(() => {
      for (const id of ids) if (this.#known.get(id) === null) this.#known.delete(id);
      this.#changed();
    }, 3_000);
    return [];
  }
}
