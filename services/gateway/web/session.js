// Who this tab is: tokens in sessionStorage, so that two tabs can be two users and a reload stays logged in.

import { request } from "./rest.js";

const KEY = "chat.session";
const DEVICE = deviceName();

/** One log-in. Refresh tokens rotate, so only one refresh is ever under way, also across duplicated tabs. */
export class Session {
  #state;
  #refreshing = null;
  #channel = new BroadcastChannel(KEY);

  constructor(state) {
    this.#adopt(state);
    // A duplicated tab has copied our tokens; whichever refreshes first tells the other.
    this.#channel.onmessage = ({ data }) => {
      if (data.id === this.#state.id && data.expiresAt > this.#state.expiresAt) this.#adopt(data);
    };
  }

  static async logIn(name, password) {
    return new Session(received(await request("POST", "/v1/sessions", { body: { name, password, device: DEVICE } })));
  }

  static async signUp(name, password, displayName) {
    const body = { name, password, device: DEVICE };
    if (displayName) body.display_name = displayName;
    return new Session(received(await request("POST", "/v1/users", { body })));
  }

  /** The log-in this tab had before it was reloaded, or null. */
  static restore() {
    try {
      const state = JSON.parse(sessionStorage.getItem(KEY));
      return state?.refreshToken ? new Session(state) : null;
    } catch {
      return null;
    }
  }

  get device() {
    return DEVICE;
  }

  /** When the access token ends, by this machine's clock. */
  get expiresAt() {
    return this.#state.expiresAt;
  }

  get user() {
    return this.#state.user;
  }

  /** An access token that lives for `lifeMs` yet and is not the one named by `not`; refreshed if need be. */
  async accessToken({ lifeMs = 20_000, not } = {}) {
    const usable = () => this.#state.accessToken !== not && this.#state.expiresAt - Date.now() > lifeMs;
    if (!usable()) {
      this.#refreshing ??= exclusively(this.#state.id, async () => {
        if (!usable()) await this.#refresh();
      }).finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
    return this.#state.accessToken;
  }

  /** Ends the log-in here at once, and on the server as soon as it answers. */
  async logOut() {
    this.forget();
    try {
      await request("DELETE", "/v1/sessions/current", { token: await this.accessToken() });
    } catch {
      // The tokens are gone from here; the server's copy ends by itself.
    }
  }

  /** Ends the log-in here. */
  forget() {
    sessionStorage.removeItem(KEY);
    this.#channel?.close();
    this.#channel = null;
  }

  async #refresh() {
    const body = { refresh_token: this.#state.refreshToken };
    const state = received(await request("POST", "/v1/sessions/refresh", { body }), this.#state.user);
    this.#adopt(state);
    this.#channel?.postMessage(state);
  }

  #adopt(state) {
    this.#state = state;
    if (this.#channel !== null) sessionStorage.setItem(KEY, JSON.stringify(state));
  }
}

// "Firefox on Windows": what its user will recognise in the list of devices.
function deviceName() {
  const { userAgent } = navigator;
  const named = (names) => names.find(([, mark]) => userAgent.includes(mark))?.[0];
  const browser = named([
    ["Edge", "Edg/"],
    ["Opera", "OPR/"],
    ["Firefox", "Firefox/"],
    ["Chrome", "Chrome/"],
    ["Safari", "Safari/"],
  ]);
  const system = named([
    ["Android", "Android"],
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Windows", "Windows"],
    ["Mac", "Mac OS"],
    ["Linux", "Linux"],
  ]);
  return [browser ?? "Browser", system].filter(Boolean).join(" on ");
}

function received({ id, access_token, refresh_token, expires_in, user }, known) {
  return {
    id,
    accessToken: access_token,
    refreshToken: refresh_token,
    expiresAt: Date.now() + expires_in * 1000,
    user: typeof user === "string" ? (known ?? { id: user }) : (user ?? known),
  };
}

// Web Locks exist in secure contexts only (localhost is one); elsewhere a duplicated tab has to log in again.
async function exclusively(id, work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(`${KEY}.${id}`, async () => {
    // The other tab's news was posted before it released the lock: let it in.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return work();
  });
}
