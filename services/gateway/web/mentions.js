// Mentions: `<@USER>` on the wire, `@name` where people write and read. No I/O.

const ON_THE_WIRE = /<@([0-7][0-9A-HJKMNP-TV-Z]{25}|all|here)>/g;
const WRITTEN = /(^|[^\p{L}\p{N}_@.-])@([a-z0-9_.-]{2,32})/giu;
const WORDS = ["all", "here"];

/** What somebody wrote, as it is sent. `find(name)` answers a member's id; words only if they may be said. */
export function toWire(text, find, everybody) {
  return text.replace(WRITTEN, (whole, before, written) => {
    // A name may end in what ends a sentence: the longest that is somebody's counts.
    for (let end = written.length; end > 1; end -= 1) {
      const name = written.slice(0, end).toLowerCase();
      const id = everybody && WORDS.includes(name) ? name : find(name);
      if (id) return `${before}<@${id}>${written.slice(end)}`;
      if (!/[._-]/.test(written[end - 1])) break;
    }
    return whole;
  });
}

/** The same back, to be written on: `handle(id)` answers "@name". */
export const toPlain = (text, handle) =>
  (text ?? "").replace(ON_THE_WIRE, (whole, id) => (WORDS.includes(id) ? `@${id}` : handle(id) || whole));

/** For one line: names as people see them. */
export const toLine = (text, name) =>
  (text ?? "").replace(ON_THE_WIRE, (_, id) => `@${WORDS.includes(id) ? id : name(id)}`).replace(/\s+/g, " ");

/** A text in pieces: `{text}`, or `{user}` for a mention that counts. */
export function pieces(text, mentions = []) {
  const found = [];
  let from = 0;
  for (const { 0: whole, 1: id, index } of (text ?? "").matchAll(ON_THE_WIRE)) {
    if (!mentions.includes(id)) continue;
    found.push({ text: text.slice(from, index) }, { user: id });
    from = index + whole.length;
  }
  found.push({ text: (text ?? "").slice(from) });
  return found.filter((piece) => piece.user || piece.text);
}
