use chat_protocol::ConversationId;
use chat_store::Messages;
use chat_testkit::servers::Cql;

use crate::support::{connect_with_small_windows, message, shared, somewhere, stored};

/// The windows of a conversation, as they stand in the table.
async fn windows(keyspace: &str, of: ConversationId) -> Vec<(u64, u64)> {
    let select = format!("SELECT first, ends FROM {keyspace}.windows WHERE conversation = 0x{:032x}", of.as_u128());
    let rows = Cql::shared().await.unwrap().query(&select).await.unwrap();
    let number = |cell: &Option<Vec<u8>>| u64::from_be_bytes(cell.as_deref().unwrap().try_into().unwrap());
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_race_open_one_window_and_lose_nothing() {
    let (keyspace, options) = shared().await;
    let one = connect_with_small_windows(options).await;
    let other = connect_with_small_windows(options).await;
    let of = somewhere();

    // Both meet the end of each window at the same time, with different rows counted in it.
    for at in (1..1_000).step_by(20) {
        let even: Vec<_> = (at..at + 20).filter(|at| at % 2 == 0).map(|at| message(of, at, "even")).collect();
        let odd: Vec<_> = (at..at + 20).filter(|at| at % 2 == 1).map(|at| message(of, at, "odd")).collect();
        let (even, odd) = tokio::join!(one.apply(&even), other.apply(&odd));
        even.and(odd).unwrap();
    }

    let windows = windows(keyspace.name(), of).await;
    assert_eq!(windows[0].0, 0);
    assert!(windows.len() > 5, "{windows:?}");
    assert!(windows.windows(2).all(|pair| pair[0].1 == pair[1].0), "each begins where one ends: {windows:?}");
    let all: Vec<u64> = (1..=1_000).collect();
    assert_eq!(stored(&one, of).await, all);
    // A third one, which remembers nothing, reads the same.
    assert_eq!(stored(&connect_with_small_windows(options).await, of).await, all);
}
