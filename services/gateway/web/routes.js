// The routes this console uses, as a logged-in user.

import { request } from "./rest.js";

const PAGE = 200;

/** One method per route; each answers its document or throws a `Problem`. */
export class Rest {
  #session;

  constructor(session) {
    this.#session = session;
  }

  me = () => this.#call("GET", "/v1/users/me");
  changeMe = (body) => this.#call("PATCH", "/v1/users/me", { body });
  changePassword = (body) => this.#call("PUT", "/v1/users/me/password", { body });
  deactivate = () => this.#call("DELETE", "/v1/users/me");
  setStatus = (body) => this.#call("PUT", "/v1/users/me/status", { body });
  user = (id) => this.#call("GET", `/v1/users/${id}`);
  users = (query) => this.#call("GET", "/v1/users", { query });
  blocks = (cursor) => this.#call("GET", "/v1/users/me/blocks", { query: { limit: PAGE, cursor } });
  block = (user) => this.#call("PUT", `/v1/users/me/blocks/${user}`);
  unblock = (user) => this.#call("DELETE", `/v1/users/me/blocks/${user}`);

  sessions = () => this.#call("GET", "/v1/sessions");
  endSession = (id) => this.#call("DELETE", `/v1/sessions/${id}`);
  endOtherSessions = () => this.#call("DELETE", "/v1/sessions");

  conversations = (query) => this.#call("GET", "/v1/conversations", { query: { limit: PAGE, ...query } });
  conversation = (id) => this.#call("GET", at(id));
  create = (body) => this.#call("POST", "/v1/conversations", { body });
  change = (id, body, version) => this.#call("PATCH", at(id), { body, match: `"${version}"` });
  delete = (id) => this.#call("DELETE", at(id));

  members = (id, cursor) => this.#call("GET", at(id, "/members"), { query: { limit: PAGE, cursor } });
  add = (id, users, role) => this.#call("POST", at(id, "/members"), { body: { users, role } });
  join = (id) => this.#call("PUT", at(id, "/members/me"), { body: {} });
  remove = (id, user) => this.#call("DELETE", at(id, `/members/${user}`));
  setRole = (id, user, role) => this.#call("PATCH", at(id, `/members/${user}`), { body: { role } });
  setOwn = (id, body) => this.#call("PATCH", at(id, "/members/me"), { body });
  bans = (id, cursor) => this.#call("GET", at(id, "/bans"), { query: { limit: PAGE, cursor } });
  ban = (id, user, body) => this.#call("PUT", at(id, `/bans/${user}`), { body });
  unban = (id, user) => this.#call("DELETE", at(id, `/bans/${user}`));

  messages = (id, query) => this.#call("GET", at(id, "/messages"), { query: { limit: 50, ...query } });
  message = (id, message) => this.#call("GET", at(id, `/messages/${message}`));
  edit = (id, message, content) => this.#call("PATCH", at(id, `/messages/${message}`), { body: content });
  erase = (id, message) => this.#call("DELETE", at(id, `/messages/${message}`));
  eraseMany = (id, messages) => this.#call("POST", at(id, "/messages/delete"), { body: { messages } });
  reactions = (id, message, cursor) =>
    this.#call("GET", at(id, `/messages/${message}/reactions`), { query: { limit: PAGE, cursor } });
  react = (id, message, emoji) => this.#call("PUT", at(id, `/messages/${message}/reactions/${plain(emoji)}`));
  unreact = (id, message, emoji) => this.#call("DELETE", at(id, `/messages/${message}/reactions/${plain(emoji)}`));
  pins = (id, cursor) => this.#call("GET", at(id, "/pins"), { query: { limit: PAGE, cursor } });
  pin = (id, message) => this.#call("PUT", at(id, `/pins/${message}`));
  unpin = (id, message) => this.#call("DELETE", at(id, `/pins/${message}`));
  events = (id, after) => this.#call("GET", at(id, "/events"), { query: { limit: PAGE, after } });
  markers = (id) => this.#call("GET", at(id, "/markers"));

  async #call(method, path, options = {}) {
    const token = await this.#session.accessToken();
    try {
      return await request(method, path, { ...options, token });
    } catch (problem) {
      if (problem.code !== "token_expired") throw problem;
      return request(method, path, { ...options, token: await this.#session.accessToken({ not: token }) });
    }
  }
}

/** Everything of a list that comes in pages, up to `most`. */
export async function everything(page, most = 1_000) {
  const items = [];
  let cursor;
  do {
    const answer = await page(cursor);
    items.push(...answer.items);
    cursor = answer.next;
  } while (cursor && items.length < most);
  return items;
}

const plain = (text) => encodeURIComponent(text);
const at = (conversation, rest = "") => `/v1/conversations/${plain(conversation)}${rest}`;
