//! Who is there.

use tokio::time::timeout;

use crate::{PLAY_WITHIN, console, person::two_people};

#[tokio::test(flavor = "multi_thread")]
async fn dots_and_words_say_who_is_there_and_when_they_left() -> anyhow::Result<()> {
    let play = async {
        let (chat, _browser, alice, bob) = two_people().await?;
        alice.starts_directly_with("bob").await?;
        alice.tab.until("document.querySelector('.thread-about .dot.online') !== null").await?;

        bob.tab.until("document.querySelector('.profile .dot.online') !== null").await?;
        bob.tab.click(".profile").await?;
        bob.rewrites("#status-text", "In a meeting").await?;
        bob.tab.until("(document.querySelector('#status-state').value = 'dnd') === 'dnd'").await?;
        bob.tab.click("#save-status").await?;
        let about = "document.querySelector('.thread-topic').textContent";
        alice.tab.until(&format!("{about} === '@bob · Do not disturb · In a meeting'")).await?;
        alice.tab.until("document.querySelector('.conversation .dot.dnd') !== null").await?;

        // Who leaves is gone after the grace, and there again at once.
        bob.tab.go("about:blank").await?;
        alice.tab.until(&format!("{about}.includes('Last seen')")).await?;
        alice.tab.until("document.querySelector('.thread-about .dot') === null").await?;
        bob.tab.go(&console(&chat)).await?;
        alice.tab.until("document.querySelector('.thread-about .dot.dnd') !== null").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
