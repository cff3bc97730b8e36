// Message text: web addresses, mentions, and the styles that its sender gave it. All of it text nodes and elements.

import { h, linked } from "./dom.js";
import { pieces } from "./mentions.js";

const TAGS = { bold: "strong", italic: "em", strike: "s", code: "code", underline: "u" };

/** What stands in a bubble. */
export function written({ users, me }, { text, mentions, spans }) {
  return styled(text ?? "", spans).flatMap(({ text: part, tag }) => {
    const nodes = pieces(part, mentions).flatMap((piece) =>
      piece.user ? [mention(users, me, piece.user)] : tag === "code" ? [piece.text] : linked(piece.text),
    );
    return tag ? [h(tag, {}, ...nodes)] : nodes;
  });
}

/** Only emoji, and few: shown large. */
export const isEmojiOnly = (text) =>
  text.length <= 24 && /^(\p{Extended_Pictographic}[\p{Emoji_Modifier}\u{FE0F}\u{200D}]*\s?){1,3}$/u.test(text.trim());

function mention(users, me, id) {
  const word = id === "all" || id === "here";
  const mine = word || id === me;
  const props = { class: mine ? "mention mine" : "mention", "data-user": word ? undefined : id };
  return h("span", props, `@${word ? id : users.name(id)}`);
}

// Spans count Unicode scalar values; one style at a place is enough here.
function styled(text, spans = []) {
  if (!spans?.length) return [{ text }];
  const chars = [...text];
  const parts = [];
  let from = 0;
  for (const { start, len, style } of [...spans].sort((a, b) => a.start - b.start)) {
    if (!TAGS[style] || start < from || len === 0) continue;
    parts.push({ text: chars.slice(from, start).join("") });
    parts.push({ text: chars.slice(start, start + len).join(""), tag: TAGS[style] });
    from = start + len;
  }
  parts.push({ text: chars.slice(from).join("") });
  return parts.filter((part) => part.text);
}
