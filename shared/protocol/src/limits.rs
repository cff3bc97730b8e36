//! Every bound, with its reason. The gateway's configuration starts from these.

use std::time::Duration;

/// One frame from a client, and the largest `resume`: a client's cursors for 500 conversations fit twice.
pub const FRAME_BYTES: usize = 64 * 1024;
/// A `hello` without its cursors: it comes before any check of who is there.
pub const HELLO_BYTES: usize = 8 * 1024;
/// Fragments of one message: a browser sends one, a proxy a few.
pub const FRAGMENTS: usize = 64;
/// Nesting of any document: what people write by hand stays below ten.
pub const DEPTH: usize = 32;
/// A message's text.
pub const TEXT_CHARS: usize = 8_000;
/// A message's styled parts.
pub const SPANS: usize = 200;
/// A style's name.
pub const STYLE_BYTES: usize = 32;
/// A message's opaque part, as JSON.
pub const PAYLOAD_BYTES: usize = 16 * 1024;
/// A message as JSON: half a frame, so that its event fits one with room for the envelope.
pub const CONTENT_BYTES: usize = 32 * 1024;
/// Uploads of one message.
pub const ATTACHMENTS: usize = 10;
/// Users a message mentions.
pub const MENTIONS: usize = 50;
/// How far ahead `expires_at` may lie.
pub const EXPIRES_IN: Duration = Duration::from_secs(365 * 24 * 3600);

/// A REST body.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Request headers, all together, and how many.
pub const HEADER_BYTES: usize = 16 * 1024;
/// Request headers.
pub const HEADERS: usize = 64;
/// Until a request's headers are complete, and until its body is.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Until an idle connection is closed.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Until `hello` or `resume`.
pub const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two pings, ± 20 %.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// Until a pong.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(10);
/// Until an append counts as unknown.
pub const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Without progress on a socket's writes.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// From here on ephemeral frames are dropped.
pub const OUTBOX_EPHEMERAL_BYTES: usize = 64 * 1024;
/// Here the socket is closed as slow.
pub const OUTBOX_BYTES: usize = 256 * 1024;

/// Frames per second of one socket, and at once.
pub const FRAMES_PER_S: u32 = 10;
/// Frames at once.
pub const FRAMES_BURST: u32 = 100;
/// Refusals within a minute before a socket is closed.
pub const REFUSALS_PER_MIN: u32 = 10;
/// Sends per (user, conversation) in ten seconds.
pub const SENDS_PER_CONVERSATION_10S: u32 = 30;
/// Sends per user in ten seconds.
pub const SENDS_PER_USER_10S: u32 = 60;
/// Requests of a user per second, and at once.
pub const REQUESTS_PER_S: u32 = 50;
/// Requests at once.
pub const REQUESTS_BURST: u32 = 100;
/// Requests of an address without a token per second, and at once.
pub const ANONYMOUS_PER_S: u32 = 10;
/// Requests of an address without a token at once.
pub const ANONYMOUS_BURST: u32 = 20;
/// Log-ins per name and minute.
pub const LOGINS_PER_NAME_MIN: u32 = 10;
/// Log-ins per address and minute.
pub const LOGINS_PER_ADDRESS_MIN: u32 = 30;
/// Registrations per address and hour.
pub const REGISTRATIONS_PER_ADDRESS_H: u32 = 10;
/// Sockets of one user.
pub const SOCKETS_PER_USER: usize = 20;
/// Sockets of one address.
pub const SOCKETS_PER_ADDRESS: usize = 500;

/// Conversations one socket follows, beside the feed.
pub const FOLLOWS: usize = 500;
/// Cursors in one `hello` or `resume`.
pub const CURSORS: usize = 500;
/// Conversations of one user.
pub const CONVERSATIONS_PER_USER: usize = 2_000;
/// Members of a group.
pub const MEMBERS: usize = 5_000;
/// Members named in one request.
pub const MEMBERS_PER_CALL: usize = 100;

/// A page, unless asked otherwise.
pub const PAGE: usize = 50;
/// The largest page.
pub const PAGE_MAX: usize = 200;

/// An access token's life.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// A refresh token's life.
pub const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A resume token's life.
pub const RESUME_TOKEN_LIFE: Duration = Duration::from_secs(60 * 60);
/// Before a token ends its socket hears `auth_expiring`.
pub const AUTH_EXPIRING_BEFORE: Duration = Duration::from_secs(60);
/// After a token's end its socket stays open for a new one.
pub const AUTH_GRACE: Duration = Duration::from_secs(30);

/// Events one conversation replays on a resume; beyond it the client pages.
pub const RESUME_EVENTS: usize = 300;
/// Events one resume replays in all.
pub const RESUME_EVENTS_ALL: usize = 2_000;

/// A client id older than this is looked up before it is appended: half the log's dedupe window.
pub const CLIENT_ID_LATE: Duration = Duration::from_secs(60);
/// A client id further ahead than this is refused.
pub const CLIENT_ID_AHEAD: Duration = Duration::from_secs(60);
/// A client id older than this cannot be looked up any more.
pub const CLIENT_ID_OLDEST: Duration = Duration::from_secs(24 * 3600);
/// The life of a dedupe row: twice the promise.
pub const DEDUPE_ROW_LIFE: Duration = Duration::from_secs(48 * 3600);

/// The log's shards.
pub const SHARDS: u16 = 16;
/// How long the log keeps events.
pub const LOG_RETENTION: Duration = Duration::from_secs(72 * 3600);
/// The log's own dedupe window.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(120);
/// Rows one storage window aims at.
pub const WINDOW_ROWS: u64 = 20_000;
/// Events of a busy conversation kept in memory.
pub const TAIL_EVENTS: usize = 200;
/// Messages of a conversation that is read, kept in memory as they are now.
pub const CACHED_MESSAGES: usize = 200;
/// Bytes that those may take: fewer are kept where they are long, or where many react.
pub const CACHED_BYTES: usize = 256 * 1024;
/// Of those, what is read of the store to begin with: two pages.
pub const CACHE_FILL: usize = 2 * PAGE;
/// Between two comparisons of heads, for conversations active in the last minute.
pub const AUDIT_ACTIVE: Duration = Duration::from_secs(10);
/// Between two comparisons of heads, for all others.
pub const AUDIT_QUIET: Duration = Duration::from_secs(60);

/// An account's name, in characters.
pub const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=32;
/// A password, in bytes: argon2 reads all of it.
pub const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1_024;
/// A display name.
pub const DISPLAY_NAME_CHARS: usize = 64;
/// A device's name.
pub const DEVICE_CHARS: usize = 64;
/// A picture's address.
pub const URL_BYTES: usize = 512;
/// A conversation's title.
pub const TITLE_CHARS: usize = 128;
/// A conversation's topic.
pub const TOPIC_CHARS: usize = 1_024;
/// One JSON field of a profile or a conversation.
pub const JSON_FIELD_BYTES: usize = 4 * 1024;
/// The longest slow mode: six hours.
pub const SLOW_MODE_S: u64 = 21_600;
/// The longest retention: a century.
pub const RETENTION_DAYS: u64 = 36_500;
/// Why somebody is banned, in characters.
pub const BAN_REASON_CHARS: usize = 500;

/// An emoji, in bytes: the longest sequences of Unicode 16 have 35, those in use are below this.
pub const EMOJI_BYTES: usize = 32;
/// Different emoji of one message.
pub const EMOJI_PER_MESSAGE: usize = 20;
/// Users one emoji of a message is counted to.
pub const REACTION_COUNT: u32 = 1_000;
/// Users named with an emoji of a message.
pub const REACTION_USERS: usize = 20;
/// Pins of one conversation.
pub const PINS: usize = 100;
/// Messages deleted by one request.
pub const DELETES_PER_CALL: usize = 100;
/// How long an author may edit a message.
pub const EDIT_WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Unread messages and mentions are counted to this, and shown as "99+".
pub const UNREAD: u32 = 100;
/// Users one user blocks.
pub const BLOCKS: usize = 1_000;

/// Markers in one frame: as many as a socket follows.
pub const MARKS: usize = FOLLOWS;
/// Between two writes of one user's marker of one conversation.
pub const MARK_INTERVAL: Duration = Duration::from_secs(2);
/// Conversations on one screen.
pub const FOCUS: usize = 4;
/// Receipts and typing are shown in conversations of up to so many members.
pub const SIGNAL_MEMBERS: usize = 100;
/// Between two typing signals of a user in a conversation.
pub const TYPING_INTERVAL: Duration = Duration::from_secs(4);
/// How long a typing signal is shown.
pub const TYPING_SHOWN: Duration = Duration::from_secs(6);

/// Users one socket watches, and users of one query.
pub const WATCHES: usize = 500;
/// Presence of a conversation's members is shown as a number from more than so many on.
pub const COUNTS_FROM: usize = 200;
/// Counted less often from more than so many on.
pub const COUNTS_SLOWER_FROM: usize = 10_000;
/// A broadcast's readers are counted to this.
pub const COUNTS_MOST: usize = 100_000;
/// A status text.
pub const STATUS_CHARS: usize = 128;
