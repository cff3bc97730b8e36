//! High-water marks.

use chat_store::Store;
use futures_util::future::join_all;

use super::play::{TODAY, seq, shard};

pub(crate) async fn marks_never_go_back(store: &dyn Store) {
    let (one, other) = (shard(), shard());
    assert_eq!(store.mark(one).await.unwrap(), None);
    store.raise_mark(one, seq(TODAY + 5)).await.unwrap();
    store.raise_mark(one, seq(TODAY + 3)).await.unwrap();
    assert_eq!(store.mark(one).await.unwrap(), Some(seq(TODAY + 5)));
    assert_eq!(store.mark(other).await.unwrap(), None);

    let raises = (0..16).map(|n| store.raise_mark(one, seq(TODAY + 10 + (n * 7) % 16)));
    join_all(raises).await.into_iter().for_each(Result::unwrap);
    assert_eq!(store.mark(one).await.unwrap(), Some(seq(TODAY + 25)));
}

pub(crate) async fn the_store_says_that_it_is_there(store: &dyn Store) {
    store.check().await.unwrap();
}
