// The loaded part of one conversation: messages and notices, by position. A window that moves in both directions.

import { reacted } from "./reactions.js";

const KEPT = 200;
const WINDOW = 600;
const BEYOND = 1_000;

export class Timeline {
  /** Sorted by `seq`: messages, and notices of what happened to the conversation. */
  rows = [];
  /** `empty` keeps nothing; `loading` keeps events while the newest page is read, so that none falls between. */
  state = "empty";
  /** The conversation's first message is here. */
  complete = false;
  /** Where the next older page ends. */
  floor = null;
  /** The newest messages are not here: what comes live would leave a hole, so it waits for its page. */
  detached = false;
  /** Where the next newer page begins, while detached. */
  roof = null;
  /** Counts what events changed: a page that was asked for before a change does not undo it. */
  changes = 0;
  #beyond = null; // rows that came while the next newer page is read

  get keeps() {
    return this.state !== "empty";
  }

  find(id) {
    return this.rows.find((row) => row.id === id);
  }

  /** Puts a row in its place; an older version of a known row changes nothing. */
  put(row, begun = Infinity) {
    if (this.detached && row.seq > this.roof) {
      if (this.#beyond !== null && this.#beyond.length < BEYOND) this.#beyond.push(row);
      return;
    }
    const place = this.#place(row.seq);
    const known = this.rows[place];
    if (known?.seq !== row.seq) return void this.rows.splice(place, 0, row);
    if (row.version < known.version) return;
    const { reactions, pinned, touched } = known;
    const kept = touched > begun || (row.reactions === undefined && reactions) ? { reactions, pinned, touched } : {};
    this.rows[place] = { ...row, ...kept };
  }

  /** One page of history, newest first. `begun` is what `changes` was when it was asked for. */
  putPage({ items, next }, begun) {
    for (const message of items) {
      this.put(message, begun);
      this.floor = Math.min(this.floor ?? message.seq, message.seq);
    }
    this.complete ||= next === null || next === undefined;
    if (this.rows.length <= WINDOW) return;
    this.rows = this.rows.slice(0, WINDOW);
    this.detached = true;
    this.roof = this.rows.at(-1).seq;
  }

  /** A page on both sides of one message, in a timeline that holds nothing yet. */
  putAround({ items }) {
    this.putPage({ items, next: "perhaps" });
    this.state = "loaded";
    this.detached = true;
    this.roof = items[0]?.seq ?? 0;
  }

  /** The next newer page is being asked for. */
  awaitNewer() {
    this.#beyond = [];
  }

  /** It came, oldest first; or null if it did not. */
  putNewer(page, begun) {
    const beyond = this.#beyond ?? [];
    this.#beyond = null;
    if (page === null) return;
    this.roof = Math.max(this.roof, page.items.at(-1)?.seq ?? 0);
    for (const message of page.items) this.put(message, begun);
    if (!page.next && beyond.length < BEYOND) {
      this.detached = false;
      for (const row of beyond) this.put(row);
    }
    if (this.rows.length > WINDOW) this.#keepLast(WINDOW);
  }

  /** Changes a message if it is here and the change is news to it. */
  change(id, version, fields) {
    const place = this.rows.findIndex((row) => row.id === id);
    const row = this.rows[place];
    if (row && row.version < version) this.rows[place] = { ...row, ...fields, version };
  }

  /** Reactions came or went. Answers whether the counts are surely right. */
  react(id, changes, me) {
    const place = this.rows.findIndex((row) => row.id === id);
    if (place < 0) return true;
    let { reactions } = this.rows[place];
    let allSure = true;
    for (const change of changes) {
      const answer = reacted(reactions, change, me);
      reactions = answer.reactions;
      allSure &&= answer.sure;
    }
    this.#touch(place, { reactions });
    return allSure;
  }

  pin(id, pinned) {
    const place = this.rows.findIndex((row) => row.id === id);
    if (place >= 0) this.#touch(place, { pinned });
  }

  /** Keeps memory bounded once nobody looks, and while somebody only looks at the end. */
  trim(most = KEPT) {
    if (this.rows.length > most) this.#keepLast(KEPT);
  }

  #keepLast(count) {
    this.rows = this.rows.slice(-count);
    this.floor = this.rows[0].seq;
    this.complete = false;
  }

  #touch(place, fields) {
    this.changes += 1;
    this.rows[place] = { ...this.rows[place], ...fields, touched: this.changes };
  }

  #place(seq) {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
