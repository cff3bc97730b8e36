//! A gateway that leaves: the console has its next socket before it gives up the old one. Two gateways that take turns
//! cannot be had in one process, so the sockets are pretended here, and the rest is the console's own.

use anyhow::ensure;
use chat_testkit::browser::Browser;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{PLAY_WITHIN, console, start};

/// Sockets that write down what happens to them, a connection over them, and what is asked of it.
const STAGE: &str = r#"
    const said = [];
    const sockets = [];
    class Pretended {
        static OPEN = 1;
        readyState = 0;
        constructor() {
            this.number = sockets.push(this);
            said.push(`dial ${this.number}`);
        }
        send(text) {
            const { type, resume_token: token, conversation } = JSON.parse(text);
            said.push(['say', this.number, type, token ?? conversation].filter(Boolean).join(' '));
        }
        close() {
            said.push(`close ${this.number}`);
        }
        opens() {
            this.readyState = Pretended.OPEN;
            this.onopen();
        }
        hears(frame) {
            this.onmessage?.({ data: JSON.stringify(frame) });
        }
    }
    globalThis.WebSocket = Pretended;
    const { Connection } = await import('/console/connection.js');
    const connection = new Connection({
        session: { device: 'test', expiresAt: Date.now() + 900000, accessToken: async () => 'token' },
        clock: { now: () => Date.now(), correct() {} },
        cursors: () => ({}),
        on: {
            status: ({ name }) => said.push(`is ${name}`),
            ready: () => said.push('ready'),
            live: () => said.push('live'),
            frame: ({ type }) => said.push(`frame ${type}`),
            down: () => said.push('down'),
            loggedOut: () => said.push('logged out'),
        },
    });
    const moment = () => new Promise((resolve) => setTimeout(resolve, 30));
    const ready = { type: 'ready', ping_ms: 25000, time: new Date().toISOString(),
        token_expires_at: new Date(Date.now() + 900000).toISOString() };
    connection.start();
    await moment();
    sockets[0].opens();
    sockets[0].hears(ready);
    sockets[0].hears({ type: 'live', resume_token: 'r1' });
    said.length = 0;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_next_socket_is_live_before_the_old_one_is_closed() -> anyhow::Result<()> {
    let acts = r"
        sockets[0].hears({ type: 'goaway', reason: 'drain', after_ms: 5, deadline_ms: 60000 });
        await moment();
        connection.say({ type: 'typing', conversation: 'old' });
        sockets[1].opens();
        sockets[0].hears({ type: 'event' });
        sockets[1].hears(ready);
        connection.say({ type: 'typing', conversation: 'new' });
        sockets[0].hears({ type: 'event' });
        sockets[1].hears({ type: 'live', resume_token: 'r2' });
    ";
    let expected = json!([
        "dial 2",
        "say 1 typing old",
        "say 2 resume r1",
        "frame event",
        "ready",
        "say 2 typing new",
        "frame event",
        "close 1",
        "is live",
        "live",
    ]);
    plays(acts, &expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_socket_that_is_refused_harms_nothing() -> anyhow::Result<()> {
    let acts = r"
        sockets[0].hears({ type: 'goaway', reason: 'drain', after_ms: 5, deadline_ms: 60000 });
        await moment();
        sockets[1].onclose({ code: 1006 });
        sockets[0].hears({ type: 'event' });
        connection.say({ type: 'typing', conversation: 'old' });
        connection.stop();
    ";
    plays(acts, &json!(["dial 2", "close 2", "frame event", "say 1 typing old", "close 1"])).await
}

async fn plays(acts: &str, expected: &Value) -> anyhow::Result<()> {
    let play = async {
        let chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let tab = browser.tab("nobody").await?;
        tab.go(&console(&chat)).await?;
        let said: Value = tab.see(&format!("(async () => {{ {STAGE} {acts} return said; }})()")).await?;
        ensure!(said == *expected, "{said:#}");
        Ok(())
    };
    timeout(PLAY_WITHIN, play).await?
}
