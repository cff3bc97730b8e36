//! Who is too quick is told so kindly, and loses nothing.

use chat_testkit::{browser::Browser, process::Chat};
use tokio::time::timeout;

use crate::{PLAY_WITHIN, person::Person};

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_too_fast_waits_a_moment_and_everything_arrives_in_order() -> anyhow::Result<()> {
    let play = async {
        let limits = ["--gateway-limit-sends", "2/3s"];
        let chat = Chat::start(env!("CARGO_BIN_EXE_chat"), &limits).await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let alice = Person::signs_up(&browser, &chat, "alice").await?;
        alice.starts_a_group("Haste", "private", &[]).await?;
        let words = ["one", "two", "three", "four", "five"];
        for word in words {
            alice.says(word).await?;
        }
        alice.tab.until("document.querySelector('.rows').textContent.includes('You write fast')").await?;
        alice.sees(&words).await?;
        alice.tab.until("!document.querySelector('.rows').textContent.includes('You write fast')").await?;
        alice.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
