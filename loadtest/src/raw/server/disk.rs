//! The least that "stored before visible" costs: one write and one sync for all messages that are there.

use std::{
    cell::RefCell,
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
};

use anyhow::Context as _;
use tokio::sync::Notify;

/// The file has its whole size from the start and is written over: a sync brings bytes to the disk and nothing else.
const FILE_BYTES: usize = 16 * 1024 * 1024;

/// A room's number, and what its sockets get.
pub(super) type Message = (u32, Vec<u8>);

pub(super) struct Disk {
    file: RefCell<File>,
    waiting: RefCell<Vec<Message>>,
    some: Notify,
}

impl Disk {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut file = tempfile::tempfile().context("make a file")?;
        file.write_all(&vec![0; FILE_BYTES]).context("fill the file")?;
        file.sync_all().context("sync the file")?;
        Ok(Self { file: file.into(), waiting: RefCell::default(), some: Notify::new() })
    }

    pub(super) fn push(&self, message: Message) {
        self.waiting.borrow_mut().push(message);
        self.some.notify_one();
    }

    /// Messages that are on disk now. Everybody who was ready to say something is in the same group.
    pub(super) async fn next(&self) -> std::io::Result<Vec<Message>> {
        let group = loop {
            // Twice: once for those who are ready, and once for those whom the first turn found ready.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let group = self.waiting.take();
            if !group.is_empty() {
                break group;
            }
            // A word that is left over from a group that was taken finds nothing, and costs no sync.
            self.some.notified().await;
        };
        let mut bytes = Vec::with_capacity(group.iter().map(|(_, bytes)| bytes.len()).sum());
        group.iter().for_each(|(_, message)| bytes.extend_from_slice(message));
        let mut file = self.file.borrow_mut();
        if file.stream_position()? as usize + bytes.len() > FILE_BYTES {
            file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(&bytes)?;
        // It blocks the only thread: waiting costs no CPU, and what comes meanwhile is the next group.
        file.sync_data()?;
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_there_is_one_group_and_a_group_is_never_empty() {
        let disk = Disk::new().unwrap();
        let message = |room| (room, vec![7; 100]);
        disk.push(message(1));
        disk.push(message(2));
        assert_eq!(disk.next().await.unwrap(), [message(1), message(2)]);
        let (group, ()) = tokio::join!(disk.next(), async {
            // The word of the second message is still there; nothing to write is.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            disk.push(message(3));
        });
        assert_eq!(group.unwrap(), [message(3)]);
    }

    #[tokio::test]
    async fn the_file_is_written_over_and_does_not_grow() {
        let disk = Disk::new().unwrap();
        for room in 0..3 {
            disk.push((room, vec![7; FILE_BYTES / 2]));
            disk.next().await.unwrap();
        }
        assert_eq!(disk.file.borrow().metadata().unwrap().len(), FILE_BYTES as u64);
    }
}
