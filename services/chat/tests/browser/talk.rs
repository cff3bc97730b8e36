//! People talk, scroll back, and lose nothing when the server is killed.

use std::collections::BTreeSet;

use anyhow::ensure;
use chat_testkit::browser::Browser;
use tokio::time::timeout;

use crate::{
    PLAY_WITHIN, console,
    person::{Person, SEEN},
    start,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk_and_lose_nothing_when_the_server_is_killed() -> anyhow::Result<()> {
    let play = async {
        let mut chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let alice = Person::signs_up(&browser, &chat, "alice").await?;
        let bob = Person::signs_up(&browser, &chat, "bob").await?;

        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        alice.says("Soup today?").await?;
        bob.sees(&["Soup today?"]).await?;
        bob.says("Always. <b>Bold</b> soup.").await?;
        alice.sees(&["Soup today?", "Always. <b>Bold</b> soup."]).await?;

        chat.kill9();
        alice.is("waiting").await?;
        bob.is("waiting").await?;
        alice.says("Are you still there?").await?;
        bob.says("I write into the dark.").await?;
        alice.says("Nobody answers.").await?;
        chat.restart().await?;
        alice.is("live").await?;
        bob.is("live").await?;

        let seen = alice.sees_as_many_as(5).await?;
        bob.sees(&seen).await?;
        ensure!(seen[..2] == ["Soup today?", "Always. <b>Bold</b> soup."], "{seen:?}");
        let written: BTreeSet<&str> = seen[2..].iter().map(String::as_str).collect();
        let expected = BTreeSet::from(["Are you still there?", "I write into the dark.", "Nobody answers."]);
        ensure!(written == expected, "{seen:?}");
        let place = |text: &str| seen.iter().position(|it| it == text);
        ensure!(place("Are you still there?") < place("Nobody answers."), "a sender's order is kept: {seen:?}");

        bob.says("There you are.").await?;
        alice.sees_as_many_as(6).await?;
        bob.sees_as_many_as(6).await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_survives_leaving_the_page() -> anyhow::Result<()> {
    let play = async {
        let mut chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let alice = Person::signs_up(&browser, &chat, "alice").await?;
        let bob = Person::signs_up(&browser, &chat, "bob").await?;
        alice.starts_directly_with("bob").await?;
        bob.opens("alice").await?;
        alice.says("First.").await?;
        bob.sees(&["First."]).await?;

        chat.kill9();
        alice.is("waiting").await?;
        alice.says("Second, before I left.").await?;
        alice.says("Third, before I left.").await?;
        alice.tab.go("about:blank").await?;
        chat.restart().await?;
        bob.is("live").await?;
        alice.tab.go(&console(&chat)).await?;
        alice.is("live").await?;

        let all = ["First.", "Second, before I left.", "Third, before I left."];
        bob.sees(&all).await?;
        alice.opens("bob").await?;
        alice.sees(&all).await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_later_scrolls_back_to_the_beginning() -> anyhow::Result<()> {
    let play = async {
        let chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let alice = Person::signs_up(&browser, &chat, "alice").await?;
        let bob = Person::signs_up(&browser, &chat, "bob").await?;
        let id = alice.starts_a_group("Town square", "public", &["bob"]).await?;
        bob.opens("Town square").await?;
        // More than two pages of history: the second one is read at the very top, where no scrolling tells of anything.
        for turn in 0..55 {
            alice.says(&format!("alice {turn}")).await?;
            bob.says(&format!("bob {turn}")).await?;
        }
        let all = alice.sees_as_many_as(110).await?;

        let carol = Person::signs_up(&browser, &chat, "carol").await?;
        carol.joins(&id).await?;
        carol.tab.until(&format!("{SEEN}.length >= 50")).await?;
        // Like somebody who goes on scrolling: the page may still be settling at its end.
        carol.tab.until(&format!("(document.querySelector('.scroll').scrollTop = 0, {SEEN}.length >= 110)")).await?;
        carol.sees(&all).await?;
        carol.says("What a lot of words.").await?;
        bob.tab.until(&format!("{SEEN}.at(-1) === 'What a lot of words.'")).await?;

        carol.logs_out().await?;
        carol.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
