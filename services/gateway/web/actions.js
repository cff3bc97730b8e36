// What a person does beside reading: each answers when the server did it, and throws a `Problem` otherwise.

import { addresses } from "./store.js";

const ERASED_AT_ONCE = 100;

export class Actions {
  #chat;

  constructor(chat) {
    this.#chat = chat;
  }

  /** Says it in the open conversation; kept until it is there. */
  send(conversation, written, { replyTo } = {}) {
    const { outbox, members, typing, history } = this.#chat;
    outbox.add(conversation.id, { ...members.toWire(conversation, written), reply_to: replyTo });
    conversation.divider = null;
    typing.rest({ sent: true });
    history.newest(conversation);
  }

  async edit(conversation, { id, version }, written) {
    const { rest, members, store } = this.#chat;
    const message = await rest.edit(conversation.id, id, members.toWire(conversation, written));
    if (message.version > version) store.get(conversation.id)?.timeline.put(message);
    this.#chat.changed();
  }

  async erase(conversation, message) {
    await this.#chat.rest.erase(conversation.id, message.id);
  }

  /** Answers how many stayed. */
  async eraseMany(conversation, ids) {
    let kept = 0;
    for (let from = 0; from < ids.length; from += ERASED_AT_ONCE) {
      const { items } = await this.#chat.rest.eraseMany(conversation.id, ids.slice(from, from + ERASED_AT_ONCE));
      kept += items.filter(({ code }) => code).length;
    }
    return kept;
  }

  /** Shown at once; taken back if the server refuses. */
  async react(conversation, message, emoji) {
    const { rest, me } = this.#chat;
    const mine = message.reactions?.some((one) => one.emoji === emoji && one.mine);
    const show = (op) => {
      conversation.timeline.react(message.id, [{ user: me, emoji, op }], me);
      this.#chat.changed();
    };
    show(mine ? "remove" : "add");
    try {
      await (mine ? rest.unreact : rest.react)(conversation.id, message.id, emoji);
    } catch (problem) {
      show(mine ? "add" : "remove");
      throw problem;
    }
  }

  async pin(conversation, message) {
    const { rest } = this.#chat;
    await (message.pinned ? rest.unpin : rest.pin)(conversation.id, message.id);
    conversation.timeline.pin(message.id, !message.pinned);
    conversation.pins = null;
    this.#chat.changed();
  }

  /** The text goes along: who reads it there need not see where it comes from. */
  forward(conversation, message, targets, comment) {
    const { outbox } = this.#chat;
    for (const target of targets) {
      const forward_of = { conversation: conversation.id, message: message.id };
      outbox.add(target, { text: message.text, spans: message.spans, forward_of });
      if (comment) outbox.add(target, { text: comment });
    }
  }

  /** Direct, group or broadcast, with people from the start. Answers its id. */
  async create({ kind, title, topic, visibility, members }) {
    const { rest, mint } = this.#chat;
    const body = { kind, members, client_id: mint.ulid() };
    if (kind !== "direct") Object.assign(body, { visibility, title: title || undefined, topic: topic || undefined });
    return this.#chat.enter(await rest.create(body));
  }

  talkTo(user) {
    return this.create({ kind: "direct", members: [user] });
  }

  async join(id) {
    const { rest } = this.#chat;
    await rest.join(id);
    return this.#chat.enter(await rest.conversation(id));
  }

  async leave({ id }) {
    const { rest, me } = this.#chat;
    await rest.remove(id, me);
    this.#chat.gone(id);
  }

  async deleteConversation({ id }) {
    await this.#chat.rest.delete(id);
    this.#chat.gone(id);
  }

  /** What is on top of the list, out of the way, or silent: for this user alone. */
  async setOwn({ id }, settings) {
    const { muted_until, notify, archived, pinned } = await this.#chat.rest.setOwn(id, settings);
    this.#chat.store.set({ conversation: id, muted_until, notify, archived, pinned });
    this.#chat.changed();
  }

  async change(conversation, body, version) {
    const info = await this.#chat.rest.change(conversation.id, body, version);
    this.#chat.store.put(info);
    this.#chat.changed();
  }

  /** Everything so far is read, also where nobody looked. */
  markRead(conversation) {
    conversation.divider = null;
    this.#chat.marks.read(conversation);
    this.#chat.changed();
  }

  async changeMe(body) {
    this.#chat.putMe(await this.#chat.rest.changeMe(body));
  }

  /** Whether a message calls this user. */
  callsMe(message) {
    return message.by !== this.#chat.me && addresses(message, this.#chat.me);
  }
}
