// Styles as people type them (`**bold**`, `_italic_`, `~~struck~~`, `` `code` ``, a fenced block) and as they are sent:
// plain text with spans, counted in Unicode scalar values. No I/O.

const MARKS = { bold: "**", italic: "_", strike: "~~", code: "`", block: "```" };
const SPANS = 200;

// The first that fits wins; what looks like an address is left alone, whatever is in it.
const TYPED =
  /(?<plain>https?:\/\/\S+|<@\w+>)|```\n?(?<block>[\s\S]+?)\n?```|`(?<code>[^`\n]+)`|\*\*(?<bold>\S(?:[^\n]*?\S)?)\*\*|~~(?<strike>\S(?:[^\n]*?\S)?)~~|(?<![\p{L}\p{N}_])_(?<italic>[^\s_](?:[^_\n]*?[^\s_])?)_(?![\p{L}\p{N}_])/gu;

/** What somebody typed, as it is sent: `{text}`, with `spans` if there are any. */
export function parse(typed) {
  let text = "";
  let from = 0;
  const spans = [];
  for (const found of typed.matchAll(TYPED)) {
    const [style, inner] = Object.entries(found.groups).find(([, value]) => value !== undefined);
    if (style === "plain" || spans.length >= SPANS) continue;
    text += typed.slice(from, found.index);
    spans.push({ start: count(text), len: count(inner), style });
    text += inner;
    from = found.index + found[0].length;
  }
  text += typed.slice(from);
  return spans.length > 0 ? { text, spans } : { text };
}

/** The same back, to be written on. */
export function unparse({ text, spans }) {
  return cut(text, spans)
    .map(({ text: part, style }) => {
      if (!style) return part;
      const mark = MARKS[style];
      return style === "block" ? `${mark}\n${part}\n${mark}` : `${mark}${part}${mark}`;
    })
    .join("");
}

/** A text in pieces `{text, style?}`; of spans that overlap or are not known the first known ones count. */
export function cut(text, spans) {
  if (!spans?.length) return [{ text: text ?? "" }];
  const chars = [...(text ?? "")];
  const parts = [];
  let from = 0;
  for (const { start, len, style } of [...spans].sort((a, b) => a.start - b.start)) {
    if (!Object.hasOwn(MARKS, style) || start < from || len === 0) continue;
    parts.push({ text: chars.slice(from, start).join("") });
    parts.push({ text: chars.slice(start, start + len).join(""), style });
    from = start + len;
  }
  parts.push({ text: chars.slice(from).join("") });
  return parts.filter((part) => part.text);
}

const count = (text) => [...text].length;
