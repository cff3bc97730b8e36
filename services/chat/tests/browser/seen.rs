//! What somebody has not seen, and who sees that they have.

use tokio::time::timeout;

use crate::{PLAY_WITHIN, person::two_people};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_stands_in_the_list_and_behind_a_line_until_it_was_looked_at() -> anyhow::Result<()> {
    let play = async {
        let (chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        alice.starts_a_group("Supper", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        bob.opens("Supper").await?;

        alice.opens("Lunch").await?;
        alice.says("One.").await?;
        alice.says("Two.").await?;
        bob.has_badges("Lunch", "2").await?;
        // Whom one means is offered while one writes.
        alice.tab.write("#message", "Three, @bo").await?;
        alice.tab.until("document.querySelectorAll('.mention-list li').length === 1").await?;
        alice.tab.press("Enter").await?;
        alice.tab.press("Enter").await?;
        alice.finds("Three, @bob", "it.querySelector('.mention')").await?;
        bob.has_badges("Lunch", "@ 3").await?;
        bob.tab.until("document.title === '(1) Chat'").await?;

        // The same after a reload: the numbers are the server's.
        bob.tab.go("about:blank").await?;
        bob.tab.go(&crate::console(&chat)).await?;
        bob.has_badges("Lunch", "@ 3").await?;
        bob.opens("Lunch").await?;
        bob.tab.until("document.querySelector('.news-line')?.nextElementSibling?.textContent.includes('One.')").await?;
        bob.finds("Three, @bob", "it.classList.contains('calls') && it.querySelector('.mention.mine')").await?;
        bob.has_badges("Lunch", "").await?;
        bob.tab.until("document.title === 'Chat'").await?;
        // Who has read stands at the last message that they have read.
        alice.finds("Three, @bob", "it.querySelector('.seen-by')").await?;

        // Muted, it counts and does not call.
        bob.opens("Supper").await?;
        bob.tab.click("#more").await?;
        bob.tab.click(".menu [data-act=mute]").await?;
        bob.opens("Lunch").await?;
        alice.opens("Supper").await?;
        alice.says("Noodles.").await?;
        bob.has_badges("Supper", "1").await?;
        bob.tab.until("document.title === 'Chat'").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_and_who_has_read_is_seen_at_once() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_directly_with("bob").await?;
        bob.opens("alice").await?;
        bob.tab.write("#message", "I am about to").await?;
        alice.tab.until("document.querySelector('p.typing').textContent === 'bob is typing…'").await?;
        bob.rewrites("#message", " ").await?;
        alice.tab.until("document.querySelector('p.typing').textContent === ''").await?;

        alice.says("Soup?").await?;
        alice.finds("Soup?", "it.querySelector('.tick.read')").await?;
        // Nobody looks: it arrives, and is not read.
        bob.starts_a_group("Elsewhere", "private", &[]).await?;
        alice.says("Still there?").await?;
        alice.finds("Still there?", "it.querySelector('.tick.delivered')").await?;
        bob.opens("alice").await?;
        alice.finds("Still there?", "it.querySelector('.tick.read')").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
