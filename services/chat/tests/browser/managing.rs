//! What a conversation's managers set in the console: slow mode, rights of roles; and many messages deleted at once.

use tokio::time::timeout;

use crate::{
    PLAY_WITHIN,
    person::{Person, two_people},
};

/// Chooses a pause in the settings, and saves.
async fn slows_down(manager: &Person, pause_s: u32) -> anyhow::Result<()> {
    manager.tab.click("#edit-conversation").await?;
    let choose =
        format!("(it => Boolean(it) && (it.value = '{pause_s}') !== '')(document.querySelector('#edit-pause'))");
    manager.tab.until(&choose).await?;
    manager.tab.click("#save").await?;
    manager.tab.until("document.querySelector('dialog') === null").await
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_mode_is_set_and_shown_and_whoever_waits_keeps_their_words() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        alice.tab.click("#details").await?;
        slows_down(&alice, 21_600).await?;

        let pace = "document.querySelector('#pace')";
        bob.tab.until(&format!("{pace}.textContent === 'Slow mode: 6 hours between messages'")).await?;
        bob.says("soup").await?;
        alice.sees(&["soup"]).await?;
        bob.tab.until(&format!("{pace}.textContent.startsWith('Slow mode: next message in ')")).await?;
        bob.says("and bread").await?;
        bob.tab.until("document.querySelector('#send').disabled").await?;
        // Who manages need not wait, and is not told to.
        alice.tab.until(&format!("!{pace}.checkVisibility()")).await?;
        for words in ["yes", "bread too"] {
            alice.says(words).await?;
        }
        bob.sees(&["soup", "yes", "bread too"]).await?;

        slows_down(&alice, 0).await?;
        bob.tab.until(&format!("!{pace}.checkVisibility() && !document.querySelector('#send').disabled")).await?;
        bob.tab.press("Enter").await?;
        alice.sees(&["soup", "yes", "bread too", "and bread"]).await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_gets_other_rights_here_and_its_usual_ones_back() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        alice.tab.click("#details").await?;
        for right in ["send", "pin"] {
            alice.tab.click("#edit-rights").await?;
            alice.tab.click(&format!(".rights [name={right}]")).await?;
            alice.tab.click("#save-rights").await?;
            alice.tab.until("document.querySelector('dialog') === null").await?;
        }
        bob.tab.until("!document.querySelector('#message').checkVisibility()").await?;
        alice.says("Quiet, please.").await?;
        // What the role may do beyond the usual is offered.
        bob.chooses("Quiet, please.", "pin").await?;
        alice.finds("Quiet, please.", "it.classList.contains('pinned')").await?;

        alice.tab.click("#edit-rights").await?;
        alice.tab.until("!document.querySelector('.rights [name=send]').checked").await?;
        alice.tab.click("#usual-rights").await?;
        alice.tab.click("#save-rights").await?;
        bob.tab.until("document.querySelector('#message').checkVisibility()").await?;
        bob.says("Thank you.").await?;
        alice.finds("Thank you.", "it.dataset.state === 'done'").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn several_messages_are_chosen_and_deleted_at_once() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        bob.says("buy").await?;
        alice.sees(&["buy"]).await?;
        for words in ["soup", "bread", "salad"] {
            alice.says(words).await?;
        }
        alice.sees(&["buy", "soup", "bread", "salad"]).await?;
        bob.sees(&["buy", "soup", "bread", "salad"]).await?;

        alice.chooses("buy", "choose").await?;
        alice.finds("buy", "it.classList.contains('chosen')").await?;
        for words in ["bread", "salad"] {
            alice.touches(words).await?;
            alice.finds(words, "it.classList.contains('chosen')").await?;
        }
        alice.touches("salad").await?;
        alice.tab.until("document.querySelector('.selection strong').textContent === '2 chosen'").await?;
        alice.tab.click("#delete-chosen").await?;
        alice.confirms().await?;
        let gone = "This message was deleted";
        bob.sees(&[gone, "soup", gone, "salad"]).await?;
        alice.tab.until("!document.querySelector('.selection').checkVisibility()").await?;

        // Of others' messages a member chooses none.
        bob.chooses("soup", "copy").await?;
        bob.finds("soup", "(it.focus(), it.querySelector('.tools [data-act=more]')?.click(), true)").await?;
        bob.tab.until("document.querySelector('.menu') && !document.querySelector('.menu [data-act=choose]')").await?;
        bob.tab.press("Escape").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
