use chat_store::Messages;
use chat_testkit::servers::Cql;

use crate::support::{connect_with_small_windows, message, migrated, somewhere, stored};

/// The windows of every conversation in a keyspace, by their first positions.
async fn windows(cql: &Cql, keyspace: &str) -> Vec<(u64, u64)> {
    let rows = cql.query(&format!("SELECT first, ends FROM {keyspace}.windows")).await.unwrap();
    let number = |cell: &Option<Vec<u8>>| u64::from_be_bytes(cell.as_deref().unwrap().try_into().unwrap());
    let mut windows: Vec<_> = rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect();
    windows.sort_unstable();
    windows
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_open_one_window_and_lose_nothing() {
    let cql = Cql::shared().await.unwrap();
    let (keyspace, options) = migrated(cql).await;
    let one = connect_with_small_windows(&options).await;
    let other = connect_with_small_windows(&options).await;
    let of = somewhere();

    // Both meet the end of each window at the same time, with different rows counted in it.
    for at in (1..1_000).step_by(20) {
        let even: Vec<_> = (at..at + 20).filter(|at| at % 2 == 0).map(|at| message(of, at, "even")).collect();
        let odd: Vec<_> = (at..at + 20).filter(|at| at % 2 == 1).map(|at| message(of, at, "odd")).collect();
        let (even, odd) = tokio::join!(one.apply(&even), other.apply(&odd));
        even.and(odd).unwrap();
    }

    let windows = windows(cql, keyspace.name()).await;
    assert_eq!(windows[0].0, 0);
    assert!(windows.len() > 5, "{windows:?}");
    assert!(windows.windows(2).all(|pair| pair[0].1 == pair[1].0), "each begins where one ends: {windows:?}");
    let all: Vec<u64> = (1..=1_000).collect();
    assert_eq!(stored(&one, of).await, all);
    // A third one, which remembers nothing, reads the same.
    assert_eq!(stored(&connect_with_small_windows(&options).await, of).await, all);
}
