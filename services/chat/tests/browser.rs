//! The console in a real browser: people sign up, find each other and talk, and lose nothing when the server is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use chat_testkit::browser::{Browser, Tab};
use chat_testkit::process::Chat;
use serde_json::json;
use tokio::time::timeout;

/// What is on screen and acknowledged, in order.
const SEEN: &str = "[...document.querySelectorAll('.message[data-state=done] .text')].map((it) => it.textContent)";
/// All of a play; its single steps have deadlines of their own.
const PLAY_WITHIN: Duration = Duration::from_secs(240);

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
        // More than one page of history, and fewer than anybody may say in ten seconds.
        for turn in 0..28 {
            alice.says(&format!("alice {turn}")).await?;
            bob.says(&format!("bob {turn}")).await?;
        }
        let all = alice.sees_as_many_as(56).await?;

        let carol = Person::signs_up(&browser, &chat, "carol").await?;
        carol.joins(&id).await?;
        carol.tab.until(&format!("{SEEN}.length >= 50")).await?;
        // Like somebody who goes on scrolling: the page may still be settling at its end.
        carol.tab.until(&format!("(document.querySelector('.scroll').scrollTop = 0, {SEEN}.length >= 56)")).await?;
        carol.sees(&all).await?;
        carol.says("What a lot of words.").await?;
        bob.tab.until(&format!("{SEEN}.at(-1) === 'What a lot of words.'")).await?;

        carol.logs_out().await?;
        carol.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

async fn start() -> anyhow::Result<Chat> {
    Chat::start(env!("CARGO_BIN_EXE_chat"), &[]).await
}

fn console(chat: &Chat) -> String {
    format!("http://{}/", chat.public())
}

/// Somebody with the console open.
struct Person {
    tab: Tab,
}

impl Person {
    async fn signs_up(browser: &Browser, chat: &Chat, name: &str) -> anyhow::Result<Self> {
        let tab = browser.tab(name).await?;
        tab.go(&console(chat)).await?;
        tab.click(".segmented button:nth-child(2)").await?;
        tab.write("#name", name).await?;
        tab.write("#password", "correct horse battery").await?;
        tab.press_enter().await?;
        let person = Self { tab };
        person.is("live").await?;
        Ok(person)
    }

    /// Answers the conversation's id.
    async fn starts_a_group(&self, title: &str, visibility: &str, with: &[&str]) -> anyhow::Result<String> {
        self.tab.click("#new").await?;
        self.tab.click(&format!("dialog [name=visibility][value={visibility}]")).await?;
        self.tab.write("#title", title).await?;
        for name in with {
            self.picks(name).await?;
        }
        self.tab.click("#create").await?;
        self.is_in(title).await?;
        self.tab.see("document.querySelector('.conversation.open').dataset.id").await
    }

    async fn starts_directly_with(&self, name: &str) -> anyhow::Result<()> {
        self.tab.click("#new").await?;
        self.tab.click("dialog [name=kind][value=direct]").await?;
        self.picks(name).await?;
        self.tab.click("#create").await?;
        self.is_in(name).await
    }

    async fn picks(&self, name: &str) -> anyhow::Result<()> {
        self.tab.write("#people", name).await?;
        self.tab.click(".found button").await?;
        self.tab.until(&format!("document.querySelector('.chips').lastChild?.textContent === {}", json!(name))).await
    }

    async fn joins(&self, id: &str) -> anyhow::Result<()> {
        self.tab.click("#join").await?;
        self.tab.write("#join-id", id).await?;
        self.tab.press_enter().await?;
        self.tab.until("document.querySelector('dialog') === null").await
    }

    async fn opens(&self, title: &str) -> anyhow::Result<()> {
        let titles = "[...document.querySelectorAll('.conversation-title')]";
        let find = format!("const it = {titles}.find((it) => it.textContent === {});", json!(title));
        self.tab.until(&format!("(() => {{ {find} it?.click(); return it !== undefined; }})()")).await?;
        self.is_in(title).await
    }

    async fn is_in(&self, title: &str) -> anyhow::Result<()> {
        self.tab
            .until(&format!("document.querySelector('.thread-title h2')?.textContent === {}", json!(title)))
            .await?;
        self.tab.until("document.querySelector('#message').checkVisibility()").await
    }

    async fn says(&self, text: &str) -> anyhow::Result<()> {
        self.tab.write("#message", text).await?;
        self.tab.press_enter().await
    }

    /// Exactly these messages, in this order.
    async fn sees<T: AsRef<str>>(&self, texts: &[T]) -> anyhow::Result<()> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.tab.until(&format!("JSON.stringify({SEEN}) === JSON.stringify({})", json!(texts))).await
    }

    async fn sees_as_many_as(&self, count: usize) -> anyhow::Result<Vec<String>> {
        self.tab.until(&format!("{SEEN}.length === {count}")).await?;
        self.tab.see(SEEN).await
    }

    /// What the console says about its connection.
    async fn is(&self, state: &str) -> anyhow::Result<()> {
        self.tab.until(&format!("document.querySelector('#status')?.dataset.state === {}", json!(state))).await
    }

    async fn logs_out(&self) -> anyhow::Result<()> {
        self.tab.click(".profile").await?;
        self.tab.click("#log-out").await?;
        self.tab.until("document.querySelector('#password') !== null && sessionStorage.length === 0").await
    }

    fn has_no_complaints(&self) -> anyhow::Result<()> {
        let complaints = self.tab.complaints();
        ensure!(complaints.is_empty(), "{complaints:?}");
        Ok(())
    }
}
