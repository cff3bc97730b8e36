// What a conversation is: title, topic, picture, who may join, how fast one may write.

import { field, h, toast } from "./dom.js";
import { PAUSES, pauseWords } from "./pace.js";
import { attempt, choice, show } from "./view_dialog.js";

/** Refused if somebody else changed it meanwhile. */
export function showSettings(chat, conversation) {
  const { info } = conversation;
  const text = (id, value, props) =>
    h("input", { id, type: "text", autocomplete: "off", value: value ?? "", ...props });
  const title = text("edit-title", info.title, { maxlength: 128 });
  const topic = h("textarea", { id: "edit-topic", rows: 3, maxlength: 1_024 });
  topic.value = info.topic ?? "";
  const picture = text("edit-picture", info.avatar_url, { type: "url", maxlength: 512, placeholder: "https://…" });
  const options = [
    ["private", "Private"],
    ["public", "Public"],
  ];
  const visibility = choice("visibility", options, info.visibility, () => {});
  const pause = pauseChoice(info.slow_mode_s ?? 0);
  const parts = [
    field("edit-title", "Title", title),
    field("edit-topic", "Topic", topic),
    field("edit-picture", "Address of a picture", picture),
    field(null, "Who can join", visibility.element),
    field("edit-pause", "Slow mode", pause, h("p", { class: "hint" }, "How long members wait between two messages.")),
  ];
  const submit = h("button", { class: "primary", type: "submit", id: "save" }, "Save");
  const save = savesOver(chat, conversation);
  const close = show("Edit the conversation", parts, [submit], async () => {
    const filled = (input) => input.value.trim() || null;
    await save({
      title: filled(title),
      topic: filled(topic),
      avatar_url: filled(picture),
      visibility: visibility.value,
      slow_mode_s: Number(pause.value),
    });
    close();
    toast("Saved.");
  });
}

/** What was read is what is changed: its version goes along. Who saves again replaces what others set meanwhile. */
export function savesOver(chat, conversation) {
  let { version } = conversation.info;
  return async (body) => {
    try {
      await chat.actions.change(conversation, body, version);
    } catch (problem) {
      if (problem.code !== "precondition_failed") throw problem;
      await attempt(async () => ({ version } = await chat.rest.conversation(conversation.id)));
      throw new Error("Somebody changed it meanwhile. Save again to replace what they set.");
    }
  };
}

function pauseChoice(present) {
  const seconds = [...new Set([...PAUSES, present])].sort((a, b) => a - b);
  const option = (value) =>
    h("option", { value: String(value), selected: value === present }, value === 0 ? "Off" : pauseWords(value));
  return h("select", { id: "edit-pause" }, ...seconds.map(option));
}
