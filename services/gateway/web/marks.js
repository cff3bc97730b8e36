// How far people have read: one's own markers on their way up, receipts of others on their way down.

const PAUSE_MS = 1_000;
const MARKS = 500;
const RECEIPT_MEMBERS = 100;

/**
 * Markers are merged by maximum everywhere, so a repeated or late one harms nothing: after every `ready` all that were
 * moved here are said again, in one frame.
 */
export class Marks {
  #me;
  #rest;
  #store;
  #say;
  #changed;
  #mine = new Map(); // conversation → {read?, delivered?}, the latest moved last
  #due = new Set();
  #timer = null;

  constructor({ me, rest, store, say, changed }) {
    this.#me = me;
    this.#rest = rest;
    this.#store = store;
    this.#say = say;
    this.#changed = changed;
  }

  /** Somebody looks at all of a conversation. */
  read(conversation) {
    const { id, info, unread } = conversation;
    const head = info.head ?? 0;
    if (head <= Math.max(unread.read, this.#mine.get(id)?.read ?? 0)) return false;
    unread.readTo(head);
    this.#raise(id, "read", head);
    return true;
  }

  /** A message of somebody else arrived at this device. */
  delivered(id, seq) {
    this.#raise(id, "delivered", seq);
  }

  onReady() {
    const markers = Object.fromEntries([...this.#mine].slice(-MARKS));
    if (Object.keys(markers).length > 0) this.#say({ type: "mark", markers });
    this.#due.clear();
  }

  /** Answers whether the list must be asked what is left unread. */
  onMarker({ conversation: id, user, read, delivered }) {
    const conversation = this.#store.get(id);
    if (!conversation) return false;
    if (user === this.#me) return conversation.unread.readTo(read);
    conversation.receipts.set(user, { read, delivered });
    return false;
  }

  /** Receipts exist where few enough people are; who turned theirs off is left out. */
  shows({ info }) {
    return info.kind !== "broadcast" && info.members_count <= RECEIPT_MEMBERS;
  }

  async load(conversation) {
    if (!this.shows(conversation)) return;
    try {
      const { items } = await this.#rest.markers(conversation.id);
      for (const { user, read, delivered } of items) {
        const known = conversation.receipts.get(user) ?? { read: 0, delivered: 0 };
        if (user === this.#me) conversation.unread.readTo(read);
        else {
          const later = { read: Math.max(read, known.read), delivered: Math.max(delivered, known.delivered) };
          conversation.receipts.set(user, later);
        }
      }
      this.#changed();
    } catch {
      // Only a tick is missing; the next time somebody looks it is asked again.
    }
  }

  #raise(id, kind, seq) {
    const known = this.#mine.get(id) ?? {};
    if (seq <= (known[kind] ?? 0)) return;
    this.#mine.delete(id);
    this.#mine.set(id, { ...known, [kind]: seq });
    this.#due.add(id);
    this.#timer ??= setTimeout(() => this.#flush(), PAUSE_MS);
  }

  // Together and not at once: somebody reads a whole burst with one frame.
  #flush() {
    this.#timer = null;
    const due = [...this.#due].slice(-MARKS);
    this.#due.clear();
    const markers = Object.fromEntries(due.map((id) => [id, this.#mine.get(id)]));
    // Not connected: the next `ready` says it.
    this.#say({ type: "mark", markers });
  }
}
