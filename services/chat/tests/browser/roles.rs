//! Who may do what in a conversation, and what becomes of who may not be there.

use tokio::time::timeout;

use crate::{
    PLAY_WITHIN,
    person::{Person, two_people},
};

#[tokio::test(flavor = "multi_thread")]
async fn members_are_promoted_removed_banned_and_let_in_again() -> anyhow::Result<()> {
    let play = async {
        let (chat, browser, alice, bob) = two_people().await?;
        let carol = Person::signs_up(&browser, &chat, "carol").await?;
        let id = alice.starts_a_group("Lunch", "public", &["bob", "carol"]).await?;
        bob.opens("Lunch").await?;
        carol.opens("Lunch").await?;
        alice.tab.click("#details").await?;
        bob.tab.click("#details").await?;

        alice.does_to("bob", "role-moderator").await?;
        bob.sees_role("bob", "moderator").await?;
        alice.does_to("bob", "role-member").await?;
        bob.sees_role("bob", "member").await?;
        alice.does_to("bob", "role-moderator").await?;
        bob.sees_role("bob", "moderator").await?;

        bob.does_to("carol", "kick").await?;
        bob.confirms().await?;
        carol.is_told("You were removed from Lunch").await?;
        carol.lists("Lunch", false).await?;
        carol.joins(&format!("{}#c/{id}", crate::console(&chat))).await?;
        carol.is_in("Lunch").await?;

        bob.does_to("carol", "ban").await?;
        bob.tab.write("#ban-reason", "Ate the soup.").await?;
        bob.confirms().await?;
        carol.lists("Lunch", false).await?;
        carol.tab.click("#join").await?;
        carol.tab.write("#join-id", &id).await?;
        carol.tab.press("Enter").await?;
        carol.is_told("You are not allowed to do this").await?;
        carol.tab.press("Escape").await?;
        bob.tab.click("#bans").await?;
        bob.tab.until("document.querySelector('.people-list li')?.textContent.includes('Ate the soup.')").await?;
        bob.tab.click(".people-list button").await?;
        bob.tab.until("document.querySelector('.people-list')?.textContent === 'Nobody.'").await?;
        bob.tab.press("Escape").await?;

        bob.tab.click("#add-people").await?;
        bob.picks("carol").await?;
        bob.tab.click("#add").await?;
        carol.opens("Lunch").await?;
        carol.tab.click("#more").await?;
        carol.tab.click(".menu [data-act=leave]").await?;
        carol.confirms().await?;
        carol.lists("Lunch", false).await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()?;
        carol.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_a_conversation_the_slower_is_told() -> anyhow::Result<()> {
    let play = async {
        let (_chat, _browser, alice, bob) = two_people().await?;
        alice.starts_a_group("Lunch", "private", &["bob"]).await?;
        bob.opens("Lunch").await?;
        alice.tab.click("#details").await?;
        bob.tab.click("#details").await?;
        alice.does_to("bob", "role-admin").await?;
        bob.sees_role("bob", "admin").await?;

        alice.tab.click("#edit-conversation").await?;
        bob.tab.click("#edit-conversation").await?;
        bob.rewrites("#edit-title", "Supper").await?;
        bob.tab.click("#save").await?;
        alice.is_in("Supper").await?;
        alice.rewrites("#edit-title", "Breakfast").await?;
        alice.tab.click("#save").await?;
        alice.is_told("Somebody changed it meanwhile").await?;
        alice.tab.click("#save").await?;
        bob.is_in("Breakfast").await?;

        alice.tab.click("#delete-conversation").await?;
        alice.confirms().await?;
        bob.lists("Breakfast", false).await?;
        bob.is_told("Deleted: Breakfast").await?;
        alice.has_no_complaints()?;
        bob.has_no_complaints()
    };
    timeout(PLAY_WITHIN, play).await?
}
