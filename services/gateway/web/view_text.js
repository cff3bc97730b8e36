// Message text: web addresses, mentions, and the styles that its sender gave it. All of it text nodes and elements.

import { h, linked } from "./dom.js";
import { cut } from "./markup.js";
import { pieces } from "./mentions.js";

const TAGS = { bold: "strong", italic: "em", strike: "s", code: "code" };

/** What stands in a message. */
export function written({ users, me }, { text, mentions, spans }) {
  return cut(text, spans).flatMap(({ text: whole, style }, place, parts) => {
    // A block ends its line by itself.
    const part = parts[place - 1]?.style === "block" ? whole.replace(/^\n/, "") : whole;
    const isCode = style === "code" || style === "block";
    const nodes = pieces(part, mentions).flatMap((piece) =>
      piece.user ? [mention(users, me, piece.user)] : isCode ? [piece.text] : linked(piece.text),
    );
    if (style === "block") return [h("pre", {}, h("code", {}, ...nodes))];
    return style ? [h(TAGS[style], {}, ...nodes)] : nodes;
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
