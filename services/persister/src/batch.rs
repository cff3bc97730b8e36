//! What is written together: deliveries of one conversation, in the log's order. Pure.

use std::collections::BTreeMap;

use chat_bus::{Delivery, Settle};
use chat_protocol::{
    ConversationId, MessageId, Seq, Shard, Timestamp, UserId,
    event::{self, Body, Event},
};
use chat_store::EventRow;

/// Deliveries of one conversation, written and acknowledged together.
pub(crate) struct Group {
    /// Oldest first.
    pub rows: Vec<EventRow>,
    /// How to settle each.
    pub settles: Vec<Box<dyn Settle>>,
    /// What feeds are told of it, in the same order.
    pub news: Vec<News>,
}

/// What one user's feed is told because of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct News {
    /// Whose feed.
    pub user: UserId,
    /// What.
    pub body: Body,
    /// Where it happened.
    pub conversation: ConversationId,
    /// The event.
    pub cause: MessageId,
    /// Who did it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// One delivery that no store could ever take.
pub(crate) struct Poison {
    /// The event.
    pub row: EventRow,
    /// How to settle it.
    pub settle: Box<dyn Settle>,
    /// Why, without content.
    pub reason: String,
}

/// A turn's work.
#[derive(Default)]
pub(crate) struct Batch {
    /// By conversation.
    pub groups: Vec<Group>,
    /// To be put in quarantine.
    pub poison: Vec<Poison>,
    /// The highest position in it.
    pub last: Seq,
    /// How many came before and were not acknowledged then.
    pub redelivered: u64,
}

type Item = (EventRow, Box<dyn Settle>, Vec<News>);

/// Sorts deliveries of one shard into groups.
pub(crate) fn plan(shard: Shard, deliveries: Vec<Delivery>) -> Batch {
    let mut batch = Batch::default();
    let mut groups: BTreeMap<ConversationId, Vec<Item>> = BTreeMap::new();
    for Delivery { conversation, logged, redelivered, settle } in deliveries {
        batch.last = batch.last.max(logged.seq);
        batch.redelivered += u64::from(redelivered > 0);
        let row = EventRow { conversation, shard, seq: logged.seq, event: logged.event };
        // The message's own fault, whatever the store is doing: only this may ever lead to quarantine.
        match Event::decode(&row.event) {
            Ok(event) => {
                let news = news_of(&row, &event);
                groups.entry(conversation).or_default().push((row, settle, news));
            }
            Err(err) => batch.poison.push(Poison { row, settle, reason: err.to_string() }),
        }
    }
    batch.groups = groups
        .into_values()
        .map(|mut items| {
            items.sort_by_key(|(row, ..)| row.seq);
            let mut group = Group { rows: Vec::new(), settles: Vec::new(), news: Vec::new() };
            for (row, settle, news) in items {
                group.rows.push(row);
                group.settles.push(settle);
                group.news.extend(news);
            }
            group
        })
        .collect();
    batch
}

fn news_of(row: &EventRow, event: &Event) -> Vec<News> {
    let (conversation, cause) = (row.conversation, MessageId::new(row.shard, row.seq));
    let told = event::news(conversation, row.seq, &event.body).into_iter();
    told.map(|(user, body)| News { user, body, conversation, cause, by: event.by, at: event.at }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chat_bus::{BusError, Logged, Prev};
    use chat_protocol::event::Empty;

    use super::*;

    struct Unsettled;

    #[async_trait::async_trait]
    impl Settle for Unsettled {
        async fn ack(self: Box<Self>) -> Result<(), BusError> {
            Ok(())
        }
        async fn retry(self: Box<Self>, _after: Duration) -> Result<(), BusError> {
            Ok(())
        }
    }

    fn delivery(conversation: u128, seq: u64, event: Bytes) -> Delivery {
        let logged =
            Logged { seq: Seq::new(seq).unwrap(), prev: Prev::AskTheLog, at: Timestamp::EPOCH, event, trace: None };
        let conversation = ConversationId::from_u128(conversation);
        Delivery { conversation, logged, redelivered: u32::from(seq == 3), settle: Box::new(Unsettled) }
    }

    #[test]
    fn groups_hold_one_conversation_in_order_and_poison_stands_apart() {
        let good = Event { at: Timestamp::EPOCH, by: UserId::from_u128(1), body: Body::ConversationDeleted(Empty {}) };
        let good = good.encode();
        let deliveries = vec![
            delivery(1, 3, good.clone()),
            delivery(2, 2, good.clone()),
            delivery(1, 1, good),
            delivery(1, 4, Bytes::from_static(b"\xc1")),
        ];
        let batch = plan(Shard::new(0).unwrap(), deliveries);
        let seqs: Vec<Vec<u64>> =
            batch.groups.iter().map(|group| group.rows.iter().map(|row| row.seq.get()).collect()).collect();
        assert_eq!(seqs, [vec![1, 3], vec![2]]);
        assert_eq!(batch.poison.len(), 1);
        assert_eq!((batch.last, batch.redelivered), (Seq::new(4).unwrap(), 1));
    }
}
