//! What broken, forged and hostile input meets: the documented answer, every time, and nobody else notices.
//!
//! One real process takes all of it. After each attack two bystanders chat on there, and in the end it is the same
//! process, healthy, with nothing in its log that should not be there.

#[path = "bad_input/bodies.rs"]
mod bodies; // requests: what is wrong in them
#[path = "bad_input/cursors.rs"]
mod cursors; // conversations that are not one's own
#[path = "bad_input/frames.rs"]
mod frames; // what is wrong on a socket, case by case
#[path = "bad_input/heads.rs"]
mod heads; // requests: what is wrong before their body counts
#[path = "bad_input/raw.rs"]
mod raw; // a WebSocket client that sends what no library would
#[path = "bad_input/requests.rs"]
mod requests; // how requests are asked and judged
#[path = "bad_input/tokens.rs"]
mod tokens; // tokens that must not count
#[path = "bad_input/world.rs"]
mod world; // the process, its users, the bystanders

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_the_documented_answer_and_harms_nobody() -> anyhow::Result<()> {
    let mut world = world::World::start().await?;
    let mut wrong = requests::all(&mut world).await?;
    wrong.extend(cursors::all(&mut world).await?);
    wrong.extend(frames::all(&mut world).await?);
    world.is_unharmed().await?;
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
