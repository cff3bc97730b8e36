//! What people set about themselves.

use tokio::time::timeout;

use crate::{
    PLAY_WITHIN,
    person::{Person, two_people},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_changed_other_devices_are_logged_out_and_people_are_blocked() -> anyhow::Result<()> {
    let play = async {
        let (chat, browser, alice, bob) = two_people().await?;
        let id = alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        let elsewhere = Person::logs_in(&browser, &chat, "alice", "correct horse battery").await?;

        alice.tab.click(".profile").await?;
        alice.rewrites("#my-name", "Alice Liddell").await?;
        alice.tab.click("#save-profile").await?;
        let name = "document.querySelector('.profile-name strong').textContent === 'Alice Liddell'";
        alice.tab.until(name).await?;
        elsewhere.tab.until(name).await?;
        alice.tab.click("[data-tab=devices]").await?;
        alice.tab.until("document.querySelectorAll('#devices li').length === 2").await?;
        alice.tab.click("#devices [data-session]").await?;
        elsewhere.tab.until("document.querySelector('#password') !== null").await?;
        alice.tab.until("document.querySelectorAll('#devices li').length === 1").await?;

        alice.tab.click("[data-tab=account]").await?;
        alice.tab.write("#old-password", "not my password").await?;
        alice.tab.write("#new-password", "another horse battery").await?;
        alice.tab.click("#save-password").await?;
        alice.is_told("the old password is another one").await?;
        alice.rewrites("#old-password", "correct horse battery").await?;
        alice.tab.click("#save-password").await?;
        alice.is_told("Changed.").await?;
        alice.tab.press("Escape").await?;

        alice.tab.click("#details").await?;
        alice.does_to("bob", "block").await?;
        alice.confirms().await?;
        bob.says("Can you hear me?").await?;
        alice.finds("You blocked this person. Show the message", "(it.querySelector('.link').click(), true)").await?;
        alice.sees(&["Can you hear me?"]).await?;
        alice.does_to("bob", "unblock").await?;

        alice.tab.click("#more").await?;
        alice.tab.click(".menu [data-act=archive]").await?;
        alice.tab.click("[data-filter=archived]").await?;
        alice.lists("Lunch", true).await?;
        alice.logs_out().await?;
        let again = Person::logs_in(&browser, &chat, "alice", "another horse battery").await?;
        again.lists("Lunch", false).await?;
        // An address leads there all the same.
        again.tab.go("about:blank").await?;
        again.tab.go(&format!("{}#c/{id}", crate::console(&chat))).await?;
        again.is_in("Lunch").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
