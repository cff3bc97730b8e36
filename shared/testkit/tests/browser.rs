//! A browser is driven like a person would, tabs share nothing, and a page's faults do not go unnoticed.

use anyhow::ensure;
use chat_testkit::browser::Browser;

const PAGE: &str = "data:text/html,<input id=name><button onclick=\"greet()\">Greet</button><p></p>\
                    <script>function greet() { document.querySelector('p').textContent = 'hello ' + name.value }\
                    const name = document.querySelector('input'); name.onkeydown = (e) => e.key === 'Enter' && greet()\
                    </script>";

#[tokio::test(flavor = "multi_thread")]
async fn tabs_are_used_like_a_person_would() -> anyhow::Result<()> {
    let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
    let (alice, bob) = (browser.tab("alice").await?, browser.tab("bob").await?);
    for tab in [&alice, &bob] {
        tab.go(PAGE).await?;
    }

    alice.write("#name", "Alice <b>").await?;
    alice.click("button").await?;
    alice.until("document.querySelector('p').textContent === 'hello Alice <b>'").await?;
    bob.write("#name", "Bob").await?;
    bob.press("Enter").await?;
    bob.until("document.querySelector('p').textContent === 'hello Bob'").await?;

    ensure!(alice.complaints().is_empty() && bob.complaints().is_empty(), "nothing went wrong yet");
    alice
        .see::<()>("new Promise((done) => setTimeout(() => { setTimeout(done); throw new Error('a fault') }))")
        .await?;
    ensure!(alice.complaints().concat().contains("a fault"), "{:?}", alice.complaints());
    ensure!(bob.see::<()>("absent()").await.is_err(), "an expression that throws is an error");
    Ok(())
}
