// Identifiers and time: what this client mints, it mints by the server's clock.

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** The server's clock, as far as `ready` and `pong` have told us. */
export class Clock {
  #offsetMs = 0;

  now() {
    return Date.now() + this.#offsetMs;
  }

  correct(serverTime) {
    const server = Date.parse(serverTime);
    if (Number.isFinite(server)) this.#offsetMs = server - Date.now();
  }
}

/** Mints ULIDs that sort in the order they were minted, also within one millisecond. */
export class Mint {
  #clock;
  #lastMs = -1;
  #chance = 0n;

  constructor(clock) {
    this.#clock = clock;
  }

  ulid() {
    const ms = this.#clock.now();
    if (ms === this.#lastMs) {
      this.#chance += 1n;
    } else {
      this.#lastMs = ms;
      this.#chance = randomBits();
    }
    return base32((BigInt(ms) << 80n) | this.#chance);
  }
}

/** Whether a text is a user's or a conversation's id in its one canonical form. */
export const isId = (text) => ID.test(text);

/** The end of an id, for people, until a name is known. */
export const shortId = (id) => `…${id.slice(-5)}`;

// 79 bits: the highest stays free, so that counting up within a millisecond never overflows.
function randomBits() {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  bytes[0] &= 0x7f;
  return bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

function base32(bits) {
  let text = "";
  for (let place = 25; place >= 0; place -= 1) {
    text += ALPHABET[Number((bits >> BigInt(5 * place)) & 31n)];
  }
  return text;
}
