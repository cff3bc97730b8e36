//! The promises of `Log`, one case each, over every engine.
//!
//! A case is `async fn name<W: World>()`; [`cases!`] makes it a test of each engine. An engine joins by implementing
//! `contract::world::World` and one line at the end of this file.

#![expect(unreachable_pub, reason = "cases are public to the list below, and there is no crate outside")]

mod contract {
    pub mod world; // what a case needs, and its words

    pub mod appending;
    pub mod dedupe;
    pub mod filling;
    pub mod living;
    pub mod reading;
    pub mod rolling_back;
    pub mod working;

    pub mod embedded; // the engine on disk
    pub mod nats; // the engine on a server
}

/// All cases as tests of one engine.
macro_rules! cases {
    ($engine:ident, $world:ty) => {
        cases! { $engine, $world,
            appending::{
                a_conversation_is_one_chain_in_the_order_of_its_appends,
                many_at_once_get_a_position_each,
                of_many_who_expect_the_same_head_one_wins,
                an_event_that_is_too_large_is_refused_and_the_next_one_is_not,
            }
            filling::{
                beyond_the_window_appends_are_refused_and_not_stored,
                a_full_log_refuses_and_is_still_read,
            }
            dedupe::{
                a_repeated_nonce_gives_the_first_position,
                duplicates_in_flight_all_get_the_first_position,
                two_senders_with_the_same_client_id_are_two_messages,
                a_nonce_is_known_after_a_restart,
                after_the_window_a_nonce_is_new,
                a_duplicate_is_recognised_before_the_head_is_compared,
            }
            reading::{
                a_replay_in_pages_is_the_whole_conversation,
                a_page_that_is_exactly_full_is_the_last_one,
                nothing_newer_is_recovered_and_empty,
                a_cursor_from_before_this_log_is_too_old,
                a_cursor_above_the_log_is_ahead,
                a_tail_is_bounded_and_oldest_first,
                heads_of_very_many_come_in_the_order_asked,
                the_newest_events_of_very_many_say_up_to_where_they_are_known,
            }
            living::{
                what_is_heard_is_stored_and_in_order,
                every_listener_hears_all_and_leaving_one_leaves_the_others,
                a_duplicate_is_not_heard_again,
                a_slow_reader_is_told_and_a_replay_repairs_it,
                following_under_concurrent_appends_misses_nothing,
                signals_reach_those_who_listen_to_the_topic,
                a_trace_goes_with_what_is_appended_inside_it,
            }
            working::{
                everything_of_a_shard_is_delivered_oldest_first,
                what_is_not_settled_comes_again,
                a_retry_comes_again_but_not_before_its_time,
                two_consumers_share_the_work,
                acknowledging_out_of_order_skips_nothing,
                a_restart_goes_on_after_what_was_settled,
                what_a_consumer_left_behind_goes_to_the_next,
            }
            rolling_back::{
                a_mark_below_the_head_changes_nothing,
                a_log_behind_its_mark_refuses_until_it_is_moved_ahead,
                an_empty_log_behind_its_mark_went_back_too,
                positions_go_on_after_a_restart,
            }
        }
    };
    ($engine:ident, $world:ty, $($topic:ident::{$($case:ident,)*})*) => {
        mod $engine {
            use super::contract;
            $(
                mod $topic {
                    use super::contract;
                    $(
                        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                        async fn $case() {
                            contract::$topic::$case::<$world>().await;
                        }
                    )*
                }
            )*
        }
    };
}

cases!(embedded, contract::embedded::OnDisk);
cases!(nats, contract::nats::OnServer);
// Where three copies could make a difference.
cases! {
    nats_cluster, contract::nats::OnCluster,
    appending::{
        many_at_once_get_a_position_each,
        of_many_who_expect_the_same_head_one_wins,
    }
    dedupe::{
        duplicates_in_flight_all_get_the_first_position,
        a_duplicate_is_recognised_before_the_head_is_compared,
    }
    reading::{
        a_replay_in_pages_is_the_whole_conversation,
        heads_of_very_many_come_in_the_order_asked,
    }
    living::{
        following_under_concurrent_appends_misses_nothing,
    }
    rolling_back::{
        a_log_behind_its_mark_refuses_until_it_is_moved_ahead,
    }
}
