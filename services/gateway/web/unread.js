// How much of one conversation its reader has not seen: what the list said, and what came live since. No I/O.

const MOST = 100;

/** Numbers go to 100, which reads "99+"; they are never sums that could drift, but derived from the marker. */
export class Unread {
  /** How far the reader has read. */
  read = 0;
  #told = { head: 0, unread: 0, mentions: 0 };
  #came = []; // {seq, id, mentioned}, above what the list knew

  get count() {
    return Math.min(this.#told.unread + this.#came.length, MOST);
  }

  get mentions() {
    return Math.min(this.#told.mentions + this.#came.filter(({ mentioned }) => mentioned).length, MOST);
  }

  /** What the list says, whole. What came above its head meanwhile counts on top. */
  tell({ head = 0, unread = 0, mentions = 0, marker }) {
    const read = marker?.read ?? 0;
    this.#came = this.#came.filter(({ seq }) => seq > head);
    // We have read further than the server knew when it counted: then its numbers are of before.
    this.#told = this.read > read && this.read >= head ? { head, unread: 0, mentions: 0 } : { head, unread, mentions };
    this.readTo(read);
  }

  /** Somebody else wrote something. */
  add(seq, id, mentioned) {
    if (seq <= this.read || seq <= this.#told.head || this.#came.some((one) => one.seq === seq)) return;
    this.#came.push({ seq, id, mentioned });
    if (this.#came.length > MOST) this.#came.shift();
  }

  /** A message is gone. Answers whether the list must be asked what that means. */
  drop(id, seq) {
    const before = this.#came.length;
    this.#came = this.#came.filter((one) => one.id !== id);
    return this.#came.length === before && this.#told.unread > 0 && seq > this.read;
  }

  /** Read on this device or another. Answers whether the list must be asked what is left. */
  readTo(seq) {
    if (seq <= this.read) return false;
    this.read = seq;
    this.#came = this.#came.filter((one) => one.seq > seq);
    if (this.#told.unread === 0) return false;
    if (seq < this.#told.head) return true;
    this.#told = { head: this.#told.head, unread: 0, mentions: 0 };
    return false;
  }
}

/** "5", "99+". */
export const shownCount = (count) => (count >= MOST ? "99+" : String(count));
