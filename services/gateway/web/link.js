// One WebSocket and its heartbeat.

const PROTOCOL = "chat.v1.json";
const READY_WITHIN_MS = 10_000;
const PONG_WITHIN_MS = 10_000;

/**
 * From its first frame to its close. `on.frame(frame)` hears everything, `on.close(code)` the end, once; neither hears
 * anything after our own `close()`.
 */
export class Link {
  /** The server took the first frame: others may be said. */
  ready = false;
  /** How long to stay away, if the server told us before it closed. */
  toldMs = null;
  /** The access token said last. */
  token = null;
  #socket;
  #on;
  #heard = Date.now();
  #asked = null;
  #pingMs = 25_000;
  #beat;
  #deadline;

  constructor(first, on) {
    this.#on = on;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new WebSocket(`${scheme}//${location.host}/v1/ws`, PROTOCOL);
    this.#socket.onopen = () => this.say(first);
    this.#socket.onmessage = ({ data }) => this.#onMessage(data);
    this.#socket.onclose = ({ code }) => this.#end(code);
    this.#deadline = setTimeout(() => this.#end(1006), READY_WITHIN_MS);
  }

  say(frame) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    if (frame.token) this.token = frame.token;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  onReady(pingMs) {
    this.ready = true;
    this.#pingMs = pingMs ?? this.#pingMs;
    clearTimeout(this.#deadline);
    this.#beat = setInterval(() => this.#onBeat(), 1000);
  }

  /** Asks for a sign of life now. */
  probe() {
    if (this.ready && this.#asked === null && this.say({ type: "ping" })) this.#asked = Date.now();
  }

  /** Closes without a report. */
  close() {
    this.#on = { frame() {}, close() {} };
    this.#end(1000);
  }

  #onMessage(data) {
    this.#heard = Date.now();
    this.#asked = null;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.#on.frame(frame);
  }

  #onBeat() {
    if (this.#asked !== null && Date.now() - this.#asked > PONG_WITHIN_MS) this.#end(1006);
    else if (Date.now() - this.#heard > this.#pingMs) this.probe();
  }

  // A socket to a black hole takes minutes to close: it is given up at once instead.
  #end(code) {
    clearTimeout(this.#deadline);
    clearInterval(this.#beat);
    this.ready = false;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
    const { close } = this.#on;
    this.#on = { frame() {}, close() {} };
    close(code);
  }
}
