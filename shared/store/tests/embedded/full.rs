//! A disk that takes no more bytes: writes are refused, reads go on, and opening it again finds all.

use std::{path::Path, process::Command};

use chat_store::{Cursor, Marks, Messages, StoreError};

use super::support::{FIRST, OF, Writer, everything_is_there, open, told_where, write_on};

/// No file may grow beyond 2 MiB; a write that would is an error, not the end of the process.
const LIMITED: &str = r#"trap '' XFSZ; ulimit -f 4096; exec "$0" "$@""#;

#[tokio::test]
async fn a_full_disk_refuses_writes_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // The engine lays out its first files at their full size, so they are made before the disk is full.
    drop(open(dir.path()));
    let mut limited = Command::new("sh");
    limited.args(["-c", LIMITED]).arg(std::env::current_exe().unwrap());

    let mut writer = Writer::start(limited, "full::writes_until_the_disk_is_full", dir.path());
    let (mut acknowledged, mut said) = (FIRST - 1, String::new());
    while let Some(line) = writer.hears("") {
        match line.strip_prefix("stored ") {
            Some(seq) => acknowledged = seq.parse().unwrap(),
            None => said.push_str(&line),
        }
    }
    writer.kill();
    assert!(acknowledged > FIRST, "nothing was stored before the disk was full");
    assert!(said.contains("reads go on, writes stay refused"), "{said}");

    // Space is back, and the engine is opened again.
    let store = open(dir.path());
    everything_is_there(&store, acknowledged).await;
    store.check().await.unwrap();
}

#[tokio::test]
#[ignore = "the process whose disk is full"]
async fn writes_until_the_disk_is_full() {
    let dir = told_where();
    let store = open(Path::new(&dir));
    let refused = write_on(&store, 20_000).await;
    assert!(matches!(refused, StoreError::Full), "{refused}");

    assert!(!store.messages(OF, Cursor::Newest, 10).await.unwrap().messages.is_empty());
    assert!(matches!(write_on(&store, 100).await, StoreError::Full));
    assert!(matches!(store.check().await, Err(StoreError::Full)));
    println!("reads go on, writes stay refused");
}
