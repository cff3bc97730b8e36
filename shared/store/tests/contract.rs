//! What every store promises: one suite over all engines. Each behaviour brings its own users and conversations, so an
//! engine may serve them all at once from one place.

use std::{future::Future, sync::Arc, time::Duration};

use chat_protocol::time::SystemClock;
use chat_store::{
    Deadlines, Embedded, Scylla, ScyllaOptions, Store,
    migrate::{Replication, migrate},
};
use chat_testkit::servers::Cql;
use tokio::sync::OnceCell;

mod contract {
    pub(crate) mod additions;
    pub(crate) mod conversations;
    pub(crate) mod events;
    pub(crate) mod histories;
    pub(crate) mod jobs;
    pub(crate) mod markers;
    pub(crate) mod marks;
    pub(crate) mod members;
    pub(crate) mod messages;
    pub(crate) mod pages;
    pub(crate) mod play;
    pub(crate) mod relations;
    pub(crate) mod sessions;
    pub(crate) mod users;
}

/// Runs every behaviour over one engine; a behaviour that is not listed is dead code, and clippy says so.
macro_rules! holds_over {
    ($engine:ident, $start:path) => {
        mod $engine {
            holds_over! { $start;
                users {
                    an_account_is_found_by_id_and_by_name, one_of_many_gets_a_name, creating_again_changes_nothing,
                    a_profile_changes_field_by_field, a_new_password_replaces_the_old_one,
                    profiles_come_in_the_order_asked, names_are_found_by_prefix, texts_keep_every_character,
                    a_new_name_leads_to_the_account_and_the_old_one_is_free,
                    a_closed_account_is_known_but_not_found_by_name,
                }
                sessions {
                    a_session_is_there_until_it_ends, an_expired_session_is_gone, sessions_come_newest_first,
                    nobody_ends_the_session_of_another, one_refresh_wins, a_used_refresh_token_is_refused,
                    revocations_last_until_their_end,
                }
                conversations {
                    a_conversation_is_what_its_creation_says, settings_are_replaced_whole,
                    settings_come_in_any_order, a_deleted_conversation_says_so, a_change_alone_makes_no_conversation,
                }
                members {
                    members_are_listed_both_ways, who_left_may_return, memberships_come_in_any_order,
                    lists_page_over_those_who_left, readers_come_and_go_without_events,
                    an_event_outlasts_a_reader_and_the_other_way_round, a_feed_changes_no_list,
                }
                messages {
                    a_message_reads_as_it_was_sent, what_is_not_there_is_absent, edits_and_deletions_come_in_any_order,
                    a_tombstone_keeps_who_where_and_when, deleted_content_leaves_the_events_too,
                    only_messages_of_this_conversation_change, the_first_message_with_a_client_id_is_known,
                    large_and_odd_contents_survive,
                }
                pages {
                    newest_before_and_after, pages_of_one_walk_everything, around_a_message_and_between_messages,
                    control_events_are_no_messages, pages_cross_windows, a_page_beyond_twenty_thousand_rows,
                }
                events {
                    events_come_as_they_were_appended, pages_of_events_chain, heads_are_the_newest_positions,
                    an_event_of_a_later_version_is_kept, what_is_no_event_is_refused,
                    what_was_put_aside_is_listed_by_shard,
                }
                additions {
                    reactions_come_in_any_order, reactions_of_a_page_are_those_of_its_messages,
                    who_reacted_is_paged_by_emoji_and_user, pins_are_listed_newest_message_first,
                }
                relations {
                    a_block_is_seen_from_both_sides, blocks_are_paged_by_user,
                    a_ban_removes_and_lasts_until_it_is_lifted, settings_are_the_members_own,
                }
                markers {
                    markers_never_go_back, markers_are_listed_by_conversation,
                    a_status_stays_and_last_seen_goes_forward,
                }
                jobs {
                    a_job_has_one_worker_at_a_time, a_job_waits_for_its_time,
                    a_purged_conversation_is_empty_and_stays_deleted, an_erased_user_leaves_an_id,
                }
                marks { marks_never_go_back, the_store_says_that_it_is_there }
                histories { any_order_and_any_repetition_converge }
            }
        }
    };
    ($start:path; $($subject:ident { $($behaviour:ident),+ $(,)? })+) => {$(
        mod $subject {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let engine = $start().await;
                crate::contract::$subject::$behaviour(crate::Engine::store(&engine)).await;
            }
        )+}
    )+};
}

/// An engine while it runs.
trait Engine {
    fn store(&self) -> &dyn Store;
}

struct InOneProcess {
    store: Embedded,
    _dir: tempfile::TempDir,
}

impl Engine for InOneProcess {
    fn store(&self) -> &dyn Store {
        &self.store
    }
}

fn start_embedded() -> impl Future<Output = InOneProcess> {
    let dir = tempfile::tempdir().unwrap();
    let database = fjall::Database::builder(dir.path()).open().unwrap();
    let store = Embedded::open(database, SystemClock).unwrap();
    std::future::ready(InOneProcess { store, _dir: dir })
}

holds_over!(embedded, crate::start_embedded);

struct OnAServer {
    store: Scylla,
}

impl Engine for OnAServer {
    fn store(&self) -> &dyn Store {
        &self.store
    }
}

/// One keyspace for all behaviours: making its tables takes seconds. It ends with the server.
static MIGRATED: OnceCell<ScyllaOptions> = OnceCell::const_new();

async fn migrated() -> ScyllaOptions {
    let keyspace = Cql::shared().await.unwrap().keyspace().await.unwrap();
    // What is slow here is the machine: deadlines have tests of their own.
    let patient = Deadlines { read: Duration::from_secs(30), write: Duration::from_secs(30) };
    let options = ScyllaOptions::from_url(keyspace.url()).unwrap().with_deadlines(patient);
    migrate(&options, &Replication::Simple(1)).await.unwrap();
    std::mem::forget(keyspace);
    options
}

async fn start_scylla() -> OnAServer {
    let options = MIGRATED.get_or_init(migrated).await;
    OnAServer { store: Scylla::connect(options, Arc::new(SystemClock)).await.unwrap() }
}

holds_over!(scylla, crate::start_scylla);
