use chat_bus::{Live, Log, Logged, NatsOptions, carrying};
use chat_protocol::trace::TraceParent;
use futures_util::StreamExt;

use super::words::{connect, conversation, hear, options, say, server};

/// What is carried by an append comes out live and as work, for those who look; what carries nothing has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_with_what_is_appended_inside_it() {
    let server = server().await;
    let looks = connect(NatsOptions { traced: true, ..options(&server.url()) }).await;
    let looks_not = connect(options(&server.url())).await;
    let of = conversation(7);
    let (mut live, mut unseen) = (looks.live(of).await.unwrap(), looks_not.live(of).await.unwrap());
    let parent = TraceParent { trace: 7, span: 8 };

    carrying(parent, say(&*looks_not, of, "traced")).await.unwrap();
    say(&*looks_not, of, "alone").await.unwrap();

    assert_eq!(seen(hear(&mut live).await), Some(parent));
    assert_eq!(seen(hear(&mut live).await), None);
    assert_eq!(seen(hear(&mut unseen).await), None);
    let mut work = looks.consume(looks.shard_of(of)).await.unwrap();
    let (first, second) = (work.next().await.unwrap(), work.next().await.unwrap());
    assert_eq!((trace(first.logged), trace(second.logged)), (Some(parent), None));
}

fn trace(logged: Logged) -> Option<TraceParent> {
    logged.trace.as_deref().copied()
}

fn seen(live: Live) -> Option<TraceParent> {
    match live {
        Live::Event(logged) => trace(logged),
        Live::Doubtful(doubt) => panic!("{doubt:?}"),
    }
}
