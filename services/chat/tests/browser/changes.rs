//! What becomes of messages, in two tabs at once.

use tokio::time::timeout;

use crate::{PLAY_WITHIN, person::two_people};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_edited_reacted_to_answered_and_deleted_in_front_of_the_other() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;

        alice.says("Sope today?").await?;
        bob.sees(&["Sope today?"]).await?;
        alice.sees(&["Sope today?"]).await?;
        // The last message is edited by an arrow in an empty field; Escape leaves it as it was.
        alice.tab.press("ArrowUp").await?;
        alice.tab.until("document.querySelector('#message').value === 'Sope today?'").await?;
        alice.tab.press("Escape").await?;
        alice.tab.until("document.querySelector('#message').value === ''").await?;
        alice.tab.press("ArrowUp").await?;
        alice.rewrites("#message", "Soup today?").await?;
        alice.tab.press("Enter").await?;
        bob.sees(&["Soup today?"]).await?;
        bob.finds("Soup today?", "it.querySelector('.edited')").await?;

        bob.presses_on("Soup today?", ".tools [data-emoji='👍']").await?;
        alice.finds("Soup today?", "it.querySelector('.reaction')?.textContent === '👍1'").await?;
        alice.presses_on("Soup today?", ".reaction").await?;
        bob.finds("Soup today?", "it.querySelector('.reaction')?.textContent === '👍2'").await?;
        bob.presses_on("Soup today?", ".reaction").await?;
        alice.finds("Soup today?", "it.querySelector('.reaction')?.textContent === '👍1'").await?;
        alice.presses_on("Soup today?", ".reactions [data-act=react]").await?;
        alice.tab.write(".emoji-search", "rocket").await?;
        alice.tab.press("Enter").await?;
        bob.finds("Soup today?", "it.querySelectorAll('.reaction[data-emoji]').length === 2").await?;
        bob.chooses("Soup today?", "reactors").await?;
        bob.tab.until("document.querySelectorAll('.reactors section').length === 2").await?;
        bob.tab.press("Escape").await?;

        bob.chooses("Soup today?", "reply").await?;
        bob.says("Always.").await?;
        alice.finds("Always.", "it.querySelector('.quote')?.textContent === 'aliceSoup today?'").await?;
        alice.chooses("Soup today?", "delete").await?;
        alice.confirms().await?;
        bob.finds("This message was deleted", "it.querySelector('.reactions') === null").await?;
        bob.finds("Always.", "it.querySelector('.quote:disabled')").await?;

        // Styles go as spans, and come back as they were typed when somebody edits.
        alice.says("**Hot** `<b>soup</b>`").await?;
        bob.finds("Hot <b>soup</b>", "it.querySelector('strong') && it.querySelector('code')").await?;
        alice.finds("Hot <b>soup</b>", "it.dataset.state === 'done'").await?;
        alice.tab.press("ArrowUp").await?;
        alice.tab.until("document.querySelector('#message').value === '**Hot** `<b>soup</b>`'").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_pinned_forwarded_and_found_again_far_back() -> anyhow::Result<()> {
    let play = async {
        let (chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        alice.says("The menu: soup.").await?;
        bob.sees(&["The menu: soup."]).await?;
        alice.chooses("The menu: soup.", "pin").await?;
        bob.finds("The menu: soup.", "it.classList.contains('pinned')").await?;
        for turn in 0..130 {
            alice.says(&format!("word {turn}")).await?;
        }
        alice.finds("word 129", "it.dataset.state === 'done'").await?;

        // Somebody who begins at the end, and jumps to the pin: what lies between is not loaded yet.
        bob.tab.go("about:blank").await?;
        bob.tab.go(&crate::console(&chat)).await?;
        bob.is("live").await?;
        bob.opens("Lunch").await?;
        bob.finds("word 129", "true").await?;
        bob.tab.click("#pins").await?;
        bob.tab.click(".pin .link").await?;
        bob.finds("The menu: soup.", "it.classList.contains('flash')").await?;
        bob.tab.until("![...document.querySelectorAll('.text')].some((it) => it.textContent === 'word 129')").await?;
        // What comes meanwhile is not shown in the middle of the past.
        alice.says("And dessert.").await?;
        bob.tab.until("document.querySelector('.jump span').textContent === '1 new'").await?;
        // Scrolling on, page by page, comes to the newest without a hole.
        let down = "(document.querySelector('.scroll').scrollTop = 1e9, true)";
        let all =
            "[...document.querySelectorAll('.text')].filter((it) => it.textContent.startsWith('word')).length === 130";
        bob.tab.until(&format!("{down} && {all}")).await?;
        bob.finds("And dessert.", "true").await?;

        bob.starts_directly_with("alice").await?;
        bob.opens("Lunch").await?;
        bob.chooses("And dessert.", "forward").await?;
        bob.tab.write("#forward-search", "alice").await?;
        bob.tab.click(".pick-list input").await?;
        bob.tab.click("#forward").await?;
        alice.opens("bob").await?;
        alice.finds("And dessert.", "it.querySelector('.forwarded')").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
