// Who is in a conversation, and what one may do with each of them.

import { field, fullTime, h, howLong, icon, reconcile, toast } from "./dom.js";
import { below, grantable, may, outranks } from "./rights.js";
import { everything } from "./routes.js";
import { attempt, confirm, show } from "./view_dialog.js";
import { menu } from "./view_menu.js";
import { People } from "./view_people.js";
import { face, presenceWords } from "./view_presence.js";

const HOUR_MS = 3_600_000;
const BANS = [
  ["", "For good"],
  [String(HOUR_MS), "For an hour"],
  [String(24 * HOUR_MS), "For a day"],
  [String(7 * 24 * HOUR_MS), "For a week"],
];
const WATCHED = 100;
const SHOWN = 200;

/** A part of the details. */
export class MemberList {
  element = h("section", { class: "panel-part" });
  #chat;
  #conversation;
  #filter = h("input", {
    type: "search",
    class: "member-filter",
    placeholder: "Find a member",
    "aria-label": "Find a member",
  });
  #list = h("ul", { class: "members" });
  #head = h("h3", {});
  #add;
  #bans;

  constructor(chat, conversation) {
    this.#chat = chat;
    this.#conversation = conversation;
    const add = () => showAdd(chat, conversation);
    this.#add = h(
      "button",
      { class: "quiet small", type: "button", id: "add-people", onclick: add },
      icon("plus"),
      "Add",
    );
    const bans = () => showBans(chat, conversation);
    this.#bans = h("button", { class: "quiet small", type: "button", id: "bans", onclick: bans }, "Banned");
    this.#filter.addEventListener("input", () => this.draw());
    const head = h("div", { class: "part-head" }, this.#head, this.#bans, this.#add);
    this.element.append(head, this.#filter, this.#list);
  }

  draw() {
    const { info, members } = this.#conversation;
    if (members === null) this.#chat.members.load(this.#conversation).catch(() => {});
    this.#head.textContent = info.kind === "broadcast" ? "Senders" : `Members · ${info.members_count ?? ""}`;
    this.#add.hidden = !may("invite", info) || info.kind === "direct";
    this.#bans.hidden = !may("ban", info) || info.kind === "direct";
    const all = members ?? [];
    this.#filter.hidden = all.length < 10;
    if (!this.#chat.members.mayList(this.#conversation)) {
      const hint = { key: "hint", state: "", make: () => h("li", { class: "hint" }, "Readers do not see each other.") };
      return reconcile(this.#list, [hint]);
    }
    const wanted = this.#filter.value.trim().toLowerCase();
    const named = all.map((member) => ({ ...member, name: this.#chat.users.name(member.user) }));
    const shown = named.filter(({ name, user }) =>
      `${name} ${this.#chat.users.handle(user)}`.toLowerCase().includes(wanted),
    );
    const rank = ["owner", "admin", "moderator", "member", "guest", "reader"];
    shown.sort((a, b) => rank.indexOf(a.role) - rank.indexOf(b.role) || a.name.localeCompare(b.name));
    this.#chat.presence.want(shown.slice(0, WATCHED).map(({ user }) => user));
    const rows = shown.slice(0, SHOWN).map((member) => this.#row(member));
    if (shown.length > SHOWN) {
      const words = `And ${shown.length - SHOWN} more: find them by name.`;
      rows.push({ key: "more", state: words, make: () => h("li", { class: "hint" }, words) });
    }
    if (members === null)
      rows.push({ key: "wait", state: "", make: () => h("li", {}, h("span", { class: "spinner" })) });
    reconcile(this.#list, rows);
  }

  #row({ user, role, name }) {
    const { me, users, presence } = this.#chat;
    const { kind } = this.#conversation.info;
    const words = presenceWords(this.#chat, user) || users.handle(user);
    const acts = {
      class: "icon-button",
      type: "button",
      "aria-haspopup": "menu",
      "aria-label": `More about ${name}`,
      "data-act": "member",
    };
    const onclick = (event) => memberMenu(this.#chat, this.#conversation, { user, role }, event.currentTarget);
    const make = () =>
      h(
        "li",
        { "data-user": user },
        face(this.#chat, user),
        h(
          "span",
          { class: "member-name" },
          h("strong", {}, name, user === me ? h("small", {}, " you") : null),
          h("small", {}, words),
        ),
        kind === "direct" || role === "member" ? null : h("span", { class: `role ${role}` }, role),
        user === me && role === "reader" ? null : h("button", { ...acts, onclick }, icon("more")),
      );
    return { key: user, state: [name, role, words, presence.of(user)?.state, users.picture(user)].join("|"), make };
  }
}

/** What one may do with somebody here: talk, change the role, remove, ban, block. */
export function memberMenu(chat, conversation, { user, role }, anchor) {
  const { rest, me, users, blocks, actions } = chat;
  const { id, info } = conversation;
  const name = users.name(user);
  const group = info.kind !== "direct";
  const lower = role !== undefined && outranks(info, role);
  const row = (key, icon, label, act, more) => ({ name: key, icon, label, act, ...more });
  const self = user === me;
  const roles = !group || role === undefined ? [] : self ? below(info) : grantable(info, role);
  const kick = () => confirm(`Remove ${name}?`, "They can be added again.", "Remove", () => rest.remove(id, user));
  const block = () =>
    confirm(
      `Block ${name}?`,
      "You cannot write to each other, and what they write in groups is hidden from you.",
      "Block",
      () => blocks.add(user),
    );
  const rows = [
    !self && row("talk", "chat", "Write directly", () => attempt(() => actions.talkTo(user))),
    roles.length > 0 ? null : false,
    ...roles.map((one) => {
      const words = self ? `Step down to ${one}` : `Make ${one}`;
      return row(`role-${one}`, "star", words, () => attempt(() => setRole(chat, conversation, user, one)), {
        on: one === role,
      });
    }),
    !self && group && role && lower && may("kick", info) ? null : false,
    !self && group && role && lower && may("kick", info) && row("kick", "leave", "Remove…", kick, { danger: true }),
    !self &&
      group &&
      lower &&
      may("ban", info) &&
      row("ban", "ban", "Ban…", () => showBan(chat, conversation, user), { danger: true }),
    self ? false : null,
    !self &&
      (blocks.has(user)
        ? row("unblock", "ban", "Unblock", () => attempt(() => blocks.lift(user)))
        : row("block", "ban", "Block…", block, { danger: true })),
  ].filter((one) => one !== false && one !== undefined);
  if (rows.length === 0) return;
  menu(anchor, rows, { label: name });
}

async function setRole(chat, conversation, user, role) {
  await chat.rest.setRole(conversation.id, user, role);
  conversation.members = null;
  chat.changed();
}

function showBan(chat, { id }, user) {
  const name = chat.users.name(user);
  const time = h("select", { id: "ban-for" }, ...BANS.map(([value, label]) => h("option", { value }, label)));
  const reason = h("input", {
    type: "text",
    id: "ban-reason",
    maxlength: 500,
    placeholder: "For moderators, optional",
  });
  const parts = [field("ban-for", "How long", time), field("ban-reason", "Why", reason)];
  confirm(
    `Ban ${name}?`,
    "They are removed and cannot come back.",
    "Ban",
    () => {
      const until = time.value ? new Date(Date.now() + Number(time.value)).toISOString() : undefined;
      return chat.rest.ban(id, user, { until, reason: reason.value.trim() || undefined });
    },
    parts,
  );
}

async function showBans(chat, { id }) {
  const list = h("ul", { class: "people-list" }, h("span", { class: "spinner" }));
  show("Banned people", [list], [], async () => {});
  const fill = () =>
    attempt(async () => {
      const bans = await everything((cursor) => chat.rest.bans(id, cursor));
      const draw = () =>
        list.replaceChildren(...(bans.length > 0 ? bans.map(row) : [h("li", { class: "hint" }, "Nobody.")]));
      draw();
      setTimeout(() => list.isConnected && draw(), 400);
    });
  const row = ({ user, by, reason, until }) => {
    const lift = () => attempt(() => chat.rest.unban(id, user)).then(fill);
    const how = until ? `${howLong(Date.parse(until) - Date.now())} left` : "for good";
    const words = h(
      "small",
      { title: until ? fullTime(until) : undefined },
      `by ${chat.users.name(by)}, ${how}`,
      reason ? ` · ${reason}` : "",
    );
    const name = h("span", { class: "member-name" }, h("strong", {}, chat.users.name(user)), words);
    return h(
      "li",
      { "data-user": user },
      face(chat, user),
      name,
      h("button", { class: "quiet small", type: "button", onclick: lift }, "Lift"),
    );
  };
  await fill();
}

function showAdd(chat, conversation) {
  const people = new People(chat, "People to add");
  const submit = h("button", { class: "primary", type: "submit", id: "add" }, "Add");
  const close = show(`Add people to ${chat.title(conversation)}`, [people.element], [submit], async () => {
    if (people.ids.length === 0) throw new Error("Choose somebody first.");
    const { items } = await chat.rest.add(conversation.id, people.ids);
    const why = { blocked: "blocks you", forbidden: "is banned here", not_found: "does not exist" };
    for (const { user, code } of items.filter((one) => one.code)) {
      toast(`${chat.users.name(user)} was not added: ${why[code] ?? code.replaceAll("_", " ")}.`);
    }
    conversation.members = null;
    chat.changed();
    close();
  });
  people.focus();
}
