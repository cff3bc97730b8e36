//! Many users who talk at once, in rooms that overlap.

use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::SendError;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, sleep_until};

use super::{Play, Room, User};
use crate::checker::Verdict;

/// Sends of one user on their way at once.
const AT_ONCE: usize = 4;

/// Users and the rooms they share.
pub struct Crowd {
    /// Everybody.
    pub users: Vec<User>,
    /// Each with some of them.
    pub rooms: Vec<Room>,
    /// Between two messages of one user; nothing to say all as fast as it is acknowledged.
    pause: Duration,
}

impl Play {
    /// So many users in so many rooms; everybody is in one room, and its first members in the next one too.
    ///
    /// # Errors
    /// If they do not get there soon.
    pub async fn crowd(&self, users: usize, rooms: usize) -> anyhow::Result<Crowd> {
        ensure!(rooms > 0 && users >= rooms, "each room needs somebody");
        let users: Vec<User> = stream::iter(0..users)
            .map(|number| async move { self.user(&format!("user-{number}")).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut made = Vec::new();
        for number in 0..rooms {
            let inside = |place: usize| place % rooms == number || place == (number + 1) % rooms;
            let members: Vec<&User> =
                users.iter().enumerate().filter(|(place, _)| inside(*place)).map(|(_, user)| user).collect();
            made.push(self.room(&members).await?);
        }
        Ok(Crowd { users, rooms: made, pause: Duration::ZERO })
    }
}

impl Crowd {
    /// The same, talking as people do: one message each in so long, whether the last one was acknowledged or not.
    #[must_use]
    pub fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Everybody sends so many messages, each in one of their rooms, a few at once, and waits for all acknowledgements.
    ///
    /// # Errors
    /// If one of them is refused or given up.
    pub async fn talks(&self, each: usize) -> anyhow::Result<()> {
        let (begin, everybody) = (Instant::now(), self.users.len().max(1) as f64);
        let talks = self.users.iter().enumerate().map(|(place, user)| async move {
            // Not all at the same moment.
            let begin = begin + self.pause.mul_f64(place as f64 / everybody);
            let rooms: Vec<&Room> = self.rooms.iter().filter(|room| room.has(user)).collect();
            let texts = (0..each).map(|number| {
                let room = rooms.get(number % rooms.len().max(1)).copied();
                let text = format!("{place}:{number}");
                let due = begin + self.pause * u32::try_from(number).unwrap_or(u32::MAX);
                async move {
                    sleep_until(due).await;
                    user.says(room.ok_or(SendError::Ended)?, &text).await
                }
            });
            stream::iter(texts).buffered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await
        });
        try_join_all(talks).await.context("talk")?;
        Ok(())
    }

    /// The verdict over all rooms, when all is quiet.
    ///
    /// # Errors
    /// If a room cannot be read.
    pub async fn verdict(&self, play: &Play) -> anyhow::Result<Verdict> {
        let (users, rooms): (Vec<&User>, Vec<&Room>) = (self.users.iter().collect(), self.rooms.iter().collect());
        play.verdict(&users, &rooms).await
    }
}
