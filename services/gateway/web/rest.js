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
export async function request(method, path, { token, body, query, match } = {}) {
  const headers = { accept: "application/json" };
  if (match) headers["if-match"] = match;
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

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
