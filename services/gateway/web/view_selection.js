// Messages that are chosen together: shown as such, deleted at once.

import { h, icon, toast } from "./dom.js";
import { may } from "./rights.js";
import { confirm } from "./view_dialog.js";

/** Whether the reader may delete a message for all. */
export function mayErase({ me }, { info }, message) {
  return may("delete_any", info) || (message.by === me && may("delete_own", info));
}

/** A bar over the field to write in, while something is chosen. */
export class Selection {
  ids = new Set();
  #chat;
  #changed;
  #count = h("strong", { "aria-live": "polite" });
  #delete = h(
    "button",
    { class: "quiet small danger-row", type: "button", id: "delete-chosen", onclick: () => this.#erase() },
    icon("trash"),
    "Delete…",
  );
  element;

  constructor(chat, changed) {
    this.#chat = chat;
    this.#changed = changed;
    const cancel = { class: "icon-button", type: "button", title: "Cancel (Esc)", "aria-label": "Choose nothing" };
    const close = h("button", { ...cancel, onclick: () => this.clear() }, icon("close"));
    this.element = h("div", { class: "selection", hidden: true }, this.#count, this.#delete, close);
  }

  get isOpen() {
    return this.ids.size > 0;
  }

  toggle({ id }) {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.#changed();
  }

  /** Answers whether there was something chosen. */
  clear() {
    if (!this.isOpen) return false;
    this.ids.clear();
    this.#changed();
    return true;
  }

  /** What was deleted meanwhile is chosen no longer. */
  draw({ timeline }) {
    for (const id of this.ids) if (timeline.find(id)?.deleted) this.ids.delete(id);
    this.element.hidden = !this.isOpen;
    this.#count.textContent = `${this.ids.size} chosen`;
  }

  #erase() {
    const { current, actions } = this.#chat;
    const ids = [...this.ids];
    const what = ids.length === 1 ? "this message" : `${ids.length} messages`;
    const text = "They are removed for everybody. Traces that there were some stay.";
    confirm(`Delete ${what}?`, text, "Delete", async () => {
      const kept = await actions.eraseMany(current, ids);
      if (kept > 0) toast(`${kept} could not be deleted.`);
      this.clear();
    });
  }
}
