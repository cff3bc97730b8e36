//! A process that is killed loses nothing it was told to be stored.

use std::{path::Path, process::Command};

use super::support::{FIRST, Writer, everything_is_there, open, told_where, write_on};

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = FIRST - 1;
    for acks in [1, 40, 7, 120] {
        let binary = Command::new(std::env::current_exe().unwrap());
        let mut writer = Writer::start(binary, "kill::writes_until_it_is_killed", dir.path());
        for _ in 0..acks {
            acknowledged = writer.hears("stored").expect("it writes until it is killed").parse().unwrap();
        }
        writer.kill();
        everything_is_there(&open(dir.path()), acknowledged).await;
    }
}

#[tokio::test]
#[ignore = "the process that is killed"]
async fn writes_until_it_is_killed() {
    let dir = told_where();
    let refused = write_on(&open(Path::new(&dir)), 100).await;
    panic!("{refused}");
}
