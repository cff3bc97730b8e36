// Who is in a conversation, and whom one can address there.

import { everything } from "./routes.js";
import { may } from "./rights.js";
import { parse, unparse } from "./markup.js";
import { toPlain, toWire } from "./mentions.js";

const OFFERED = 8;

export class Members {
  #me;
  #rest;
  #users;
  #changed;
  #loading = new Map();

  constructor({ me, rest, users, changed }) {
    this.#me = me;
    this.#rest = rest;
    this.#users = users;
    this.#changed = changed;
  }

  /** Readers of a broadcast do not see each other. */
  mayList({ info }) {
    return info.role !== undefined && !(info.kind === "broadcast" && info.role === "reader");
  }

  /** Everybody, as far as one may see them; an answer serves everyone who waits. Throws a `Problem`. */
  load(conversation) {
    if (!this.mayList(conversation)) return Promise.resolve([]);
    if (conversation.members) return Promise.resolve(conversation.members);
    const { id } = conversation;
    if (!this.#loading.has(id)) {
      const loading = this.#read(conversation).finally(() => this.#loading.delete(id));
      this.#loading.set(id, loading);
    }
    return this.#loading.get(id);
  }

  /** Whom `@` and some letters may mean: members whose name begins so, and everybody. */
  offer({ info, members }, letters) {
    const wanted = letters.toLowerCase();
    const others = (members ?? []).map(({ user }) => user).filter((user) => user !== this.#me);
    const score = (id) => {
      const name = this.#users.name(id).toLowerCase();
      if (this.#users.handle(id).slice(1).startsWith(wanted) || name.startsWith(wanted)) return 0;
      return name.split(/\s+/).some((word) => word.startsWith(wanted)) ? 1 : 2;
    };
    const scored = others.map((id) => ({ id, score: score(id), name: this.#users.name(id) }));
    const people = scored
      .filter((one) => one.score < 2)
      .sort((a, b) => a.score - b.score || a.name.localeCompare(b.name));
    const words = may("mention_all", info) && info.kind !== "direct" ? ["all", "here"] : [];
    return [...people.map(({ id }) => id), ...words.filter((word) => word.startsWith(wanted))].slice(0, OFFERED);
  }

  /** What somebody wrote, as `{text, spans?}`, with `@name` of members as mentions. */
  toWire({ info, members }, typed) {
    const byName = new Map((members ?? []).map(({ user }) => [this.#users.handle(user).slice(1), user]));
    return parse(toWire(typed, (name) => (name ? byName.get(name) : undefined), may("mention_all", info)));
  }

  /** The same back, to be written on. */
  toPlain(message) {
    return toPlain(unparse(message), (id) => this.#users.handle(id));
  }

  async #read(conversation) {
    const members = await everything((cursor) => this.#rest.members(conversation.id, cursor), 5_000);
    conversation.members = members;
    // Their names are wanted soon, for mentions and lists.
    for (const { user } of members.slice(0, 500)) this.#users.name(user);
    this.#changed();
    return members;
  }
}
