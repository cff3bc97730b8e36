//! The keyboard, the looks, a narrow window.

use chat_testkit::browser::Browser;
use tokio::time::timeout;

use crate::{PLAY_WITHIN, person::Person, start};

const GROUND: &str = "getComputedStyle(document.querySelector('.thread')).backgroundColor";

#[tokio::test(flavor = "multi_thread")]
async fn everything_can_be_reached_by_keys_in_both_looks_and_in_a_narrow_window() -> anyhow::Result<()> {
    let play = async {
        let chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let alice = Person::signs_up(&browser, &chat, "alice").await?;
        Person::signs_up(&browser, &chat, "bob").await?;
        alice.starts_a_group("Lunch", "private", &[]).await?;
        alice.starts_a_group("Supper", "private", &[]).await?;
        alice.says("Noodles.").await?;
        alice.sees(&["Noodles."]).await?;

        // The look follows the system until it is chosen, and what was chosen stays over a reload.
        alice.tab.is_shown(false, 1200).await?;
        let light: String = alice.tab.see(GROUND).await?;
        alice.tab.is_shown(true, 1200).await?;
        alice.tab.until(&format!("{GROUND} !== '{light}'")).await?;
        alice.tab.press("Ctrl+Shift+L").await?;
        alice.tab.until(&format!("{GROUND} === '{light}'")).await?;
        alice.tab.go("about:blank").await?;
        alice.tab.go(&crate::console(&chat)).await?;
        alice.is("live").await?;
        alice.tab.until(&format!("{GROUND} === '{light}'")).await?;

        // From conversation to conversation, and to people by name.
        alice.tab.press("Ctrl+K").await?;
        alice.tab.write("#search", "Lun").await?;
        alice.tab.press("Enter").await?;
        alice.is_in("Lunch").await?;
        alice.tab.press("Alt+ArrowUp").await?;
        alice.is_in("Supper").await?;
        alice.tab.press("Ctrl+K").await?;
        alice.tab.write("#search", "bob").await?;
        alice.tab.until("document.querySelector('.found-people button') !== null").await?;
        alice.tab.press("Enter").await?;
        alice.is_in("bob").await?;
        alice.tab.press("Ctrl+/").await?;
        alice.tab.until("document.querySelector('dialog .keys') !== null").await?;
        alice.tab.press("Escape").await?;

        // Into the messages, to one of them, and back to the field.
        alice.opens("Supper").await?;
        alice.finds("Noodles.", "(document.querySelector('.scroll').focus(), true)").await?;
        alice.tab.press("ArrowUp").await?;
        alice.finds("Noodles.", "it === document.activeElement").await?;
        alice.tab.press("r").await?;
        alice.tab.until("document.querySelector('.composer-context').checkVisibility()").await?;
        alice.tab.press("Escape").await?;
        alice.tab.until("!document.querySelector('.composer-context').checkVisibility()").await?;

        // One column: the conversation, then the list again.
        alice.tab.is_shown(false, 400).await?;
        alice.tab.until("!document.querySelector('.sidebar').checkVisibility()").await?;
        alice.tab.until("document.documentElement.scrollWidth <= 400").await?;
        alice.tab.click(".back").await?;
        alice.tab.until("document.querySelector('.sidebar').checkVisibility()").await?;
        alice.tab.until("!document.querySelector('.thread').checkVisibility()").await?;
        alice.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
