//! Long work: who has it, and what it removes.

use chat_protocol::{
    ConversationId, JobId, Seq, UserId,
    event::{BlockChanged, Body},
    model::{AccountState, Job, JobKind, JobState, Marker, Status},
    rights::Role,
};
use chat_store::{Cursor, JobRow, Store};

use super::play::{Story, account, member, name, now, session, user};

fn job(kind: JobKind, subject: u128) -> JobRow {
    let ms = u64::try_from(now().as_ms()).unwrap();
    let id = JobId::ulid(ms, rand::random());
    let job = Job { id, kind, state: JobState::Waiting, started_by: user(), created_at: now() };
    JobRow { job, subject, progress: String::new(), not_before: now().plus_ms(-1) }
}

async fn is_open(store: &dyn Store, row: &JobRow) -> bool {
    let open = store.open_jobs(row.job.kind, 10_000).await.unwrap();
    open.iter().any(|found| found.job.id == row.job.id)
}

pub(crate) async fn a_job_has_one_worker_at_a_time(store: &dyn Store) {
    let row = job(JobKind::Purge, 7);
    store.create_job(&row).await.unwrap();
    store.create_job(&JobRow { subject: 8, ..row.clone() }).await.unwrap();
    assert_eq!(store.job(row.job.id).await.unwrap(), Some(row.clone()), "the first one counts");
    assert!(is_open(store, &row).await);

    let (id, lease) = (row.job.id, now().plus_ms(60_000));
    assert!(store.claim_job(id, 1, now(), lease).await.unwrap());
    assert!(!store.claim_job(id, 2, now(), lease).await.unwrap(), "somebody has it");
    assert!(store.claim_job(id, 1, now(), lease.plus_ms(1)).await.unwrap(), "a lease is renewed");
    assert!(store.claim_job(id, 2, lease.plus_ms(2), lease.plus_ms(60_000)).await.unwrap(), "a lease ends");
    assert!(!store.note_job(id, 1, JobState::Running, "half").await.unwrap(), "it is another worker's");
    assert!(store.note_job(id, 2, JobState::Running, "half").await.unwrap());
    assert_eq!(store.job(id).await.unwrap().unwrap().progress, "half");

    assert!(store.note_job(id, 2, JobState::Done, "").await.unwrap());
    assert!(!is_open(store, &row).await);
    assert_eq!(store.job(id).await.unwrap().unwrap().job.state, JobState::Done);
    assert!(!store.claim_job(id, 2, now(), lease).await.unwrap(), "it has ended");
}

pub(crate) async fn a_job_waits_for_its_time(store: &dyn Store) {
    let row = JobRow { not_before: now().plus_ms(60_000), ..job(JobKind::Erase, 7) };
    store.create_job(&row).await.unwrap();
    assert!(is_open(store, &row).await);
    assert!(!store.claim_job(row.job.id, 1, now(), now().plus_ms(1_000)).await.unwrap());
    assert!(store.claim_job(row.job.id, 1, row.not_before, row.not_before.plus_ms(1_000)).await.unwrap());
    assert_eq!(store.job(JobId::from_u128(rand::random())).await.unwrap(), None);
}

pub(crate) async fn a_purged_conversation_is_empty_and_stays_deleted(store: &dyn Store) {
    let (mut story, ada, bob) = (Story::new(), user(), user());
    let created = story.created(ada, "Tea", &[member(ada, Role::Owner), member(bob, Role::Member)]);
    let message = story.says(ada, "hi");
    let closed = story.closed(ada);
    store.apply(&[created, message.clone(), closed]).await.unwrap();
    let read = Marker { user: ada, read: message.seq, delivered: message.seq, at: now() };
    store.raise_markers(ada, &[(story.of, read)]).await.unwrap();

    let mut progress = Some(String::new());
    for _ in 0..100 {
        let Some(here) = progress else { break };
        progress = store.purge(story.of, &here).await.unwrap();
    }
    assert_eq!(progress, None, "it comes to an end");
    assert!(store.conversation(story.of).await.unwrap().unwrap().deleted);
    assert!(store.messages(story.of, Cursor::Newest, 10).await.unwrap().messages.is_empty());
    assert!(store.events(story.of, Seq::ZERO, 10).await.unwrap().events.is_empty());
    assert_eq!(store.members(story.of, None, 10).await.unwrap(), []);
    assert_eq!(store.memberships(bob, None, 10).await.unwrap(), []);
    assert_eq!(store.markers_in(story.of, 10).await.unwrap(), []);
    assert_eq!(store.markers(ada, &[story.of]).await.unwrap(), [None]);
    store.purge(story.of, "").await.expect("a step that comes again does no harm");
}

pub(crate) async fn an_erased_user_leaves_an_id(store: &dyn Store) {
    let named = account(&name());
    let (ada, bob) = (named.id, user());
    assert!(store.create_user(&named).await.unwrap());
    store.create_session(&session(ada, 0)).await.unwrap();
    store.set_status(ada, &Status { text: Some("hi".into()), ..Status::default() }, now()).await.unwrap();
    let mut feed = Story { of: ConversationId::feed(ada), ..Story::new() };
    let block = feed.event(ada, Body::BlockAdded(BlockChanged { user: bob }));
    store.apply(&[block]).await.unwrap();

    store.erase_user(ada).await.unwrap();
    store.erase_user(ada).await.unwrap();
    let left = store.account(ada).await.unwrap().unwrap();
    assert_eq!((left.user.state, left.password_hash), (AccountState::Erased, None));
    assert_eq!((left.user.user.name.as_str(), left.user.user.display_name), ("", None));
    assert_eq!(store.users(&[ada]).await.unwrap(), []);
    assert_eq!(store.sessions(ada).await.unwrap().len(), 0);
    assert_eq!(store.statuses(&[ada]).await.unwrap(), [Status::default()]);
    assert_eq!(store.blocked_by(bob, &[ada]).await.unwrap(), Vec::<UserId>::new());
    assert!(store.account_by_name(&named.name).await.unwrap().is_none());
    assert!(store.create_user(&account(&named.name)).await.unwrap(), "its name is free again");
}
