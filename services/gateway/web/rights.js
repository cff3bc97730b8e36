// What a role may do, as the server decides it; here only to offer what will be allowed.

/** Lowest first; each adds to the one before. */
export const ROLES = ["reader", "guest", "member", "moderator", "admin", "owner"];

const ADDED = {
  reader: ["read", "react"],
  guest: ["send"],
  member: ["attach", "edit_own", "delete_own", "thread"],
  moderator: ["delete_any", "pin", "mention_all", "invite", "kick", "ban", "skip_slow_mode"],
  admin: ["manage_roles", "manage"],
  owner: ["delete_conversation"],
};

/** All there are, in the order in which roles come to them. */
export const RIGHTS = ROLES.flatMap((role) => ADDED[role]);

const rank = (role) => ROLES.indexOf(role);

function rightsOf(role, { kind, overrides = {} }) {
  const level = kind === "direct" ? rank("member") : rank(role);
  const rights = new Set(ROLES.slice(0, level + 1).flatMap((name) => ADDED[name]));
  if (kind === "direct") return rights.add("pin");
  for (const right of overrides[role]?.allow ?? []) rights.add(right);
  for (const right of overrides[role]?.deny ?? []) rights.delete(right);
  return rights;
}

/** What a role may do in a conversation. */
export const ofRole = (role, info) => rightsOf(role, info);

/** What its reader may do. */
export const ownRights = (info) => (info.role === undefined ? new Set() : rightsOf(info.role, info));

/** Whether the reader of a conversation may do something in it. */
export const may = (right, info) => ownRights(info).has(right);

/** What has to be set for roles to have exactly the rights of `wanted`; of the other roles it stays as it is. */
export function overriding(info, wanted) {
  const overrides = { ...info.overrides };
  for (const [role, rights] of wanted) {
    const usual = rightsOf(role, { kind: info.kind });
    const allow = RIGHTS.filter((right) => rights.has(right) && !usual.has(right));
    const deny = RIGHTS.filter((right) => !rights.has(right) && usual.has(right));
    if (allow.length + deny.length > 0) overrides[role] = { allow, deny };
    else delete overrides[role];
  }
  return overrides;
}

/** Whether they may act on somebody of this role: never on an equal. */
export const outranks = (info, role) => rank(info.role) > rank(role);

/** The roles that they may take themselves: only downwards. */
export const below = (info) => (info.kind === "direct" ? [] : ROLES.filter((role) => outranks(info, role)));

/** The roles that they may give to somebody who has `from`. */
export function grantable(info, from) {
  if (!may("manage_roles", info) || !outranks(info, from)) return [];
  const own = rightsOf(info.role, info);
  const covered = (role) => [...rightsOf(role, info)].every((right) => own.has(right));
  return ROLES.filter((role) => rank(role) <= rank(info.role) && covered(role));
}
