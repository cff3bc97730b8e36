use chat_protocol::ConversationId;
use chat_store::{EventRow, Messages};
use chat_testkit::servers::Cql;

use crate::support::{connect, deletion, edit, message, seq, shared, somewhere};

const SECRET: &str = "the cellar key";

/// A message, two edits and its deletion, all with the secret in them.
fn story(of: ConversationId) -> Vec<EventRow> {
    vec![
        message(of, 1, SECRET),
        edit(of, 2, 1, SECRET),
        edit(of, 3, 1, SECRET),
        deletion(of, 4, 1),
        edit(of, 5, 1, SECRET),
    ]
}

/// Every order in which redelivery could bring them.
fn orders(of: ConversationId) -> Vec<Vec<EventRow>> {
    let story = story(of);
    let rotated = (0..story.len()).map(|by| {
        let mut story = story.clone();
        story.rotate_left(by);
        story
    });
    let mut backwards = story.clone();
    backwards.reverse();
    rotated.chain([backwards]).collect()
}

#[tokio::test]
async fn content_of_a_deleted_message_is_nowhere_whatever_came_first() {
    let (keyspace, options) = shared().await;
    let store = connect(options).await;
    for order in orders(somewhere()) {
        let of = somewhere();
        for row in order {
            store.apply(&[EventRow { conversation: of, ..row }]).await.unwrap();
        }
        let tombstone = store.message(of, seq(1)).await.unwrap().unwrap();
        assert!(tombstone.deleted && tombstone.content.text.is_none());
        assert_eq!(store.events(of, seq(0), 10).await.unwrap().events.len(), 5);
    }
    for table in ["messages", "revisions"] {
        let rows =
            Cql::shared().await.unwrap().query(&format!("SELECT * FROM {}.{table}", keyspace.name())).await.unwrap();
        assert!(!rows.is_empty());
        let holds_secret = |cell: &Option<Vec<u8>>| {
            cell.as_deref().is_some_and(|cell| cell.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()))
        };
        assert!(!rows.iter().flatten().any(holds_secret), "{table} still has it");
    }
}
