// Summaries of reactions, as events change them. No I/O.

const USERS = 20;

/**
 * What a message's summaries become by one change. The answer is `sure` unless a summary holds more people than it
 * names: then somebody may have been counted already, and the message is read again.
 */
export function reacted(summaries, { user, emoji, op }, me) {
  const all = summaries ?? [];
  const place = all.findIndex((summary) => summary.emoji === emoji);
  const known = all[place];
  const named = user === me ? known?.mine : known?.users.includes(user);
  const sure = named || !known || known.count <= known.users.length || user === me;
  if (Boolean(named) === (op === "add")) return { reactions: all, sure };
  if (op === "remove" && (!known || (!named && known.count <= known.users.length))) return { reactions: all, sure };
  const changed = op === "add" ? added(known, user, emoji) : removed(known, user);
  const mine = user === me ? op === "add" : (known?.mine ?? false);
  const next = changed.count > 0 ? [{ ...changed, mine }] : [];
  return {
    reactions: place < 0 ? [...all, ...next] : [...all.slice(0, place), ...next, ...all.slice(place + 1)],
    sure,
  };
}

function added(known, user, emoji) {
  if (!known) return { emoji, count: 1, users: [user] };
  const users = known.users.length < USERS ? [...known.users, user] : known.users;
  return { ...known, count: known.count + 1, users };
}

function removed(known, user) {
  return { ...known, count: known.count - 1, users: known.users.filter((other) => other !== user) };
}
