//! Somebody with the console open.

use anyhow::ensure;
use chat_testkit::{
    browser::{Browser, Tab},
    process::Chat,
};
use serde_json::json;

use crate::{console, start};

/// What is on screen and acknowledged, in order.
pub const SEEN: &str = "[...document.querySelectorAll('.message[data-state=done] .text')].map((it) => it.textContent)";

/// A server, a browser, and two who signed up in it.
pub async fn two_people() -> anyhow::Result<(Chat, Browser, Person, Person)> {
    let chat = start().await?;
    let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
    let alice = Person::signs_up(&browser, &chat, "alice").await?;
    let bob = Person::signs_up(&browser, &chat, "bob").await?;
    Ok((chat, browser, alice, bob))
}

/// Somebody with the console open.
pub struct Person {
    pub tab: Tab,
}

impl Person {
    pub async fn signs_up(browser: &Browser, chat: &Chat, name: &str) -> anyhow::Result<Self> {
        let tab = browser.tab(name).await?;
        tab.go(&console(chat)).await?;
        tab.click(".segmented button:nth-child(2)").await?;
        tab.write("#name", name).await?;
        tab.write("#password", "correct horse battery").await?;
        tab.press("Enter").await?;
        let person = Self { tab };
        person.is("live").await?;
        Ok(person)
    }

    pub async fn logs_in(browser: &Browser, chat: &Chat, name: &str, password: &str) -> anyhow::Result<Self> {
        let tab = browser.tab(name).await?;
        tab.go(&console(chat)).await?;
        tab.write("#name", name).await?;
        tab.write("#password", password).await?;
        tab.press("Enter").await?;
        let person = Self { tab };
        person.is("live").await?;
        Ok(person)
    }

    /// Answers the conversation's id.
    pub async fn starts_a_group(&self, title: &str, visibility: &str, with: &[&str]) -> anyhow::Result<String> {
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

    pub async fn starts_directly_with(&self, name: &str) -> anyhow::Result<()> {
        self.tab.click("#new").await?;
        self.tab.click("dialog [name=kind][value=direct]").await?;
        self.picks(name).await?;
        self.tab.click("#create").await?;
        self.is_in(name).await
    }

    pub async fn picks(&self, name: &str) -> anyhow::Result<()> {
        self.tab.write("#people", name).await?;
        self.tab.click(".found button").await?;
        self.tab.until(&format!("document.querySelector('.chips').lastChild?.textContent === {}", json!(name))).await
    }

    pub async fn joins(&self, id: &str) -> anyhow::Result<()> {
        self.tab.click("#join").await?;
        self.tab.write("#join-id", id).await?;
        self.tab.press("Enter").await?;
        self.tab.until("document.querySelector('dialog') === null").await
    }

    pub async fn opens(&self, title: &str) -> anyhow::Result<()> {
        let titles = "[...document.querySelectorAll('.conversation-title')]";
        let find = format!("const it = {titles}.find((it) => it.textContent === {});", json!(title));
        self.tab.until(&format!("(() => {{ {find} it?.click(); return it !== undefined; }})()")).await?;
        self.is_in(title).await
    }

    pub async fn is_in(&self, title: &str) -> anyhow::Result<()> {
        self.tab
            .until(&format!("document.querySelector('.thread-title h2')?.textContent === {}", json!(title)))
            .await?;
        self.tab.until("document.querySelector('#message').checkVisibility()").await
    }

    pub async fn says(&self, text: &str) -> anyhow::Result<()> {
        self.tab.write("#message", text).await?;
        self.tab.press("Enter").await
    }

    /// Exactly these messages, in this order.
    pub async fn sees<T: AsRef<str>>(&self, texts: &[T]) -> anyhow::Result<()> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.tab.until(&format!("JSON.stringify({SEEN}) === JSON.stringify({})", json!(texts))).await
    }

    pub async fn sees_as_many_as(&self, count: usize) -> anyhow::Result<Vec<String>> {
        self.tab.until(&format!("{SEEN}.length === {count}")).await?;
        self.tab.see(SEEN).await
    }

    /// What the console says about its connection.
    pub async fn is(&self, state: &str) -> anyhow::Result<()> {
        self.tab.until(&format!("document.querySelector('#status')?.dataset.state === {}", json!(state))).await
    }

    pub async fn logs_out(&self) -> anyhow::Result<()> {
        self.tab.click(".profile").await?;
        self.tab.click("#log-out").await?;
        self.tab.until("document.querySelector('#password') !== null && sessionStorage.length === 0").await
    }

    /// Waits until `is` holds of `it`, the message with this text.
    pub async fn finds(&self, text: &str, is: &str) -> anyhow::Result<()> {
        self.tab
            .until(&format!("(() => {{ const it = {}; return Boolean(it) && Boolean({is}); }})()", message(text)))
            .await
    }

    /// Chooses something from the menu of the message with this text.
    pub async fn chooses(&self, text: &str, act: &str) -> anyhow::Result<()> {
        self.presses_on(text, ".tools [data-act=more]").await?;
        self.tab.click(&format!(".menu [data-act={act}]")).await
    }

    /// Presses a button on the message with this text.
    pub async fn presses_on(&self, text: &str, button: &str) -> anyhow::Result<()> {
        let press = format!("(it.focus(), it.querySelector({0})?.click(), it.querySelector({0}))", json!(button));
        self.finds(text, &press).await
    }

    /// Clicks on the message with this text, once.
    pub async fn touches(&self, text: &str) -> anyhow::Result<()> {
        let click = format!(
            "(() => {{ const it = {}; it?.querySelector('.text').click(); return Boolean(it); }})()",
            message(text)
        );
        let there: bool = self.tab.see(&click).await?;
        ensure!(there, "there is no message {text}");
        Ok(())
    }

    /// Chooses something from the menu of a member, in the details.
    pub async fn does_to(&self, name: &str, act: &str) -> anyhow::Result<()> {
        let opens = "const more = it?.querySelector('[data-act=member]'); more?.click(); return Boolean(more);";
        self.tab.until(&format!("(() => {{ const it = {}; {opens} }})()", member(name))).await?;
        self.tab.click(&format!(".menu [data-act={act}]")).await
    }

    /// Waits until the details show a member in a role.
    pub async fn sees_role(&self, name: &str, role: &str) -> anyhow::Result<()> {
        let shown = format!("({}?.querySelector('.role')?.textContent ?? 'member') === {}", member(name), json!(role));
        self.tab.until(&format!("Boolean({}) && {shown}", member(name))).await
    }

    /// Waits until the list shows these badges for a conversation, as `@ 2`; empty for none.
    pub async fn has_badges(&self, title: &str, badges: &str) -> anyhow::Result<()> {
        let shown = "[...it.querySelectorAll('.badge')].map((badge) => badge.textContent).join(' ')";
        let find = format!("const it = {};", listed(title));
        self.tab
            .until(&format!("(() => {{ {find} return it !== undefined && {shown} === {}; }})()", json!(badges)))
            .await
    }

    /// Waits until the list names a conversation, or does not.
    pub async fn lists(&self, title: &str, is_there: bool) -> anyhow::Result<()> {
        self.tab.until(&format!("({} !== undefined) === {is_there}", listed(title))).await
    }

    /// Says yes to what is asked.
    pub async fn confirms(&self) -> anyhow::Result<()> {
        self.tab.click("#confirm").await?;
        self.tab.until("document.querySelector('dialog') === null").await
    }

    /// Writes over what stands in a field.
    pub async fn rewrites(&self, field: &str, text: &str) -> anyhow::Result<()> {
        let select =
            format!("(document.querySelector({0})?.select(), document.querySelector({0}) !== null)", json!(field));
        self.tab.until(&select).await?;
        self.tab.write(field, text).await
    }

    /// Waits for a short word on screen that contains this.
    pub async fn is_told(&self, words: &str) -> anyhow::Result<()> {
        let told = "[...document.querySelectorAll('.toast, .form-problem')]";
        self.tab.until(&format!("{told}.some((it) => it.textContent.includes({}))", json!(words))).await
    }

    pub fn has_no_complaints(&self) -> anyhow::Result<()> {
        let complaints = self.tab.complaints();
        ensure!(complaints.is_empty(), "{complaints:?}");
        Ok(())
    }
}

/// The row of the message with this text, in JavaScript.
fn message(text: &str) -> String {
    let rows = "[...document.querySelectorAll('.message')]";
    format!("{rows}.findLast((row) => row.querySelector('.text')?.textContent === {})", json!(text))
}

/// The row of a member in the details.
fn member(name: &str) -> String {
    let rows = "[...document.querySelectorAll('.members li')]";
    format!("{rows}.find((row) => row.querySelector('strong')?.firstChild?.textContent === {})", json!(name))
}

/// The row of a conversation in the list.
fn listed(title: &str) -> String {
    let rows = "[...document.querySelectorAll('.conversations li')]";
    format!("{rows}.find((row) => row.querySelector('.conversation-title')?.textContent === {})", json!(title))
}
