use chat_testkit::checker::Event;
use chat_testkit::play::Play;
use chat_testkit::process::Chat;
use chat_testkit::seed::seeded;

use super::harm::{BINARY, EACH, ROOMS, USERS, a_while, assert_lossless, talk_and_harm, times};

const OPEN: [&str; 8] = [
    "--gateway-frames-per-s",
    "10000",
    "--gateway-frames-burst",
    "10000",
    "--gateway-reconnect-base-ms",
    "100",
    "--gateway-reconnect-max-ms",
    "500",
];

/// F21
#[tokio::test(flavor = "multi_thread")]
async fn one_process_is_killed_at_random_moments() -> anyhow::Result<()> {
    let mut chance = seeded();
    let mut chat = Chat::start(BINARY, &OPEN).await?;
    let play = Play::at([chat.public()]);
    let crowd = play.crowd(USERS, ROOMS).await?;

    let messages = talk_and_harm(&crowd, EACH, times(20, 200), async |round| {
        a_while(&mut chance, 700).await;
        chat.kill9();
        let opened = chat.restart().await;
        let error = opened.as_ref().err().map(|err| format!("{err:#}"));
        play.recorder().record(Event::Opened { what: format!("the data after kill {round}"), error });
        opened
    })
    .await?;

    assert_lossless(&crowd.verdict(&play).await?, messages);
    Ok(())
}
