// REST: one place that speaks HTTP and turns every failure into a `Problem`.

const DEADLINE_MS = 15_000;

/** Why a request failed: the server's problem document, or `offline` if there was no answer. */
export class Problem extends Error {
  constructor({ code, status = 0, detail, retry_after_ms, errors = [] }) {
    super(detail || code);
    this.code = code;
    this.status = status;
    this.retryAfterMs = retry_after_ms ?? null;
    this.errors = errors;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** One request. Answers the document, or null if there is none. */
export async function request(method, path, { token, body, query } = {}) {
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  const url = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  let response;
  let text;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
      credentials: "omit",
      cache: "no-store",
    });
    text = await response.text();
  } catch {
    throw new Problem({ code: "offline", detail: "The server does not answer." });
  }
  const document = parse(text);
  if (response.ok) return document;
  const after = Number(response.headers.get("retry-after"));
  throw new Problem({
    code: document?.code ?? `http_${response.status}`,
    status: response.status,
    detail: document?.detail || document?.title || `The server answered ${response.status}.`,
    retry_after_ms: document?.retry_after_ms ?? (after > 0 ? after * 1000 : undefined),
    errors: document?.errors,
  });
}

/** The routes this console uses, as a logged-in user. */
export class Rest {
  #session;

  constructor(session) {
    this.#session = session;
  }

  me = () => this.#call("GET", "/v1/users/me");
  user = (id) => this.#call("GET", `/v1/users/${id}`);
  users = (query) => this.#call("GET", "/v1/users", { query });
  conversations = (cursor) => this.#call("GET", "/v1/conversations", { query: { limit: 200, cursor } });
  conversation = (id) => this.#call("GET", at(id));
  create = (body) => this.#call("POST", "/v1/conversations", { body });
  members = (id, cursor) => this.#call("GET", at(id, "/members"), { query: { limit: 200, cursor } });
  add = (id, users) => this.#call("POST", at(id, "/members"), { body: { users } });
  join = (id) => this.#call("PUT", at(id, "/members/me"), { body: {} });
  remove = (id, user) => this.#call("DELETE", at(id, `/members/${user}`));
  messages = (id, query) => this.#call("GET", at(id, "/messages"), { query: { limit: 50, ...query } });
  events = (id, after) => this.#call("GET", at(id, "/events"), { query: { limit: 200, after } });

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

const at = (conversation, rest = "") => `/v1/conversations/${encodeURIComponent(conversation)}${rest}`;

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
