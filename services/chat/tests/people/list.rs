//! A user's own conversations: newest first, whatever their shards, and only what changed.

use chat_bus::Nonce;
use chat_protocol::event::{Body, ConversationCreated, Event, MemberChanged};
use chat_protocol::model::{HistoryAccess, Kind, Settings, Visibility};
use chat_protocol::rights::Role;
use chat_protocol::{Clock, ConversationId, Timestamp, UserId, time::SystemClock};
use chat_store::EventRow;
use serde_json::{Value, json};

use crate::world::{User, World, id};

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_comes_first_whatever_its_shard() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let mut rooms = Vec::new();
    for n in 0..12 {
        let title = format!("{n}");
        rooms.push(world.makes(&alice, json!({"kind": "group", "members": [bob.id], "title": title})).await?);
    }
    // Positions of different shards are far apart: much is said in one of them.
    for _ in 0..30 {
        world.does(&alice, "POST", &format!("{}/messages", rooms[3]), json!({"text": "noise"})).await?;
    }
    for n in [5, 0, 7] {
        world.does(&alice, "POST", &format!("{}/messages", rooms[n]), json!({"text": format!("{n}")})).await?;
    }
    for site in [0, 1] {
        let listed = titles(&world, site, &bob, "?limit=5").await?;
        assert_eq!(listed, ["7", "0", "5", "3", "11"]);
    }
    let mut all = Vec::new();
    let mut query = "?limit=5".to_owned();
    loop {
        let page = world.ask(1, Some(&bob), "GET", &format!("/v1/conversations{query}"), None).await?.good()?;
        all.extend(page["items"].as_array().into_iter().flatten().map(|item| item["title"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=5&cursor={next}");
    }
    assert_eq!(all, ["7", "0", "5", "3", "11", "10", "9", "8", "6", "4", "2", "1"].map(|title| json!(title)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_a_moment_ago_is_not_unread() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let mut device = world.socket(0, &bob).await?;
    let mut other = world.socket(0, &bob).await?;
    // Faster than markers are written.
    for number in 0..5 {
        let text = json!({"text": format!("{number}")});
        let read = world.does(&alice, "POST", &format!("{room}/messages"), text).await?["seq"].clone();
        device.says(&json!({"type": "mark", "conversation": id(&room), "read": read})).await?;
        other.until(|frame| frame["type"] == "marker" && frame["read"] == read).await?;
        let list = world.does(&bob, "GET", "/v1/conversations", Value::Null).await?;
        let entry = &list["items"][0];
        assert_eq!((&entry["unread"], &entry["marker"]["read"]), (&json!(0), &read));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_what_a_list_shows() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let room = world.makes(&alice, json!({"kind": "group", "members": [bob.id]})).await?;
    let long = "é".repeat(300);
    let sent = world.does(&alice, "POST", &format!("{room}/messages"), json!({"text": long})).await?;
    world.does(&bob, "PATCH", &format!("{room}/members/me"), json!({"pinned": true})).await?;
    let list = world.does(&bob, "GET", "/v1/conversations", Value::Null).await?;
    let entry = &list["items"][0];
    assert_eq!(
        (&entry["role"], &entry["head"], &entry["settings"]["pinned"]),
        (&json!("member"), &sent["seq"], &json!(true))
    );
    assert_eq!(entry["last_message"]["id"], sent["id"]);
    assert_eq!(entry["last_message"]["text"], json!("é".repeat(200)));
    assert_eq!(entry["members_count"], 2);
    // What bob has not read yet; alice has nothing to read.
    assert_eq!((&entry["unread"], &entry["mentions"]), (&json!(1), &json!(0)));
    let own = world.does(&alice, "GET", "/v1/conversations", Value::Null).await?;
    assert_eq!(own["items"][0]["unread"], 0);
    // A change that is no message leaves the last message.
    world.does(&alice, "PATCH", &room, json!({"title": "new"})).await?;
    let list = world.does(&bob, "GET", "/v1/conversations", Value::Null).await?;
    assert_eq!(list["items"][0]["last_message"]["id"], sent["id"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn since_answers_only_what_changed() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let mut rooms = Vec::new();
    for title in ["a", "b", "c", "d"] {
        rooms.push(world.makes(&alice, json!({"kind": "group", "members": [bob.id], "title": title})).await?);
    }
    let since = async |site: usize| {
        let list = world.ask(site, Some(&bob), "GET", "/v1/conversations?limit=2", None).await?.good()?;
        anyhow::Ok(list["since"].as_str().expect("a token").to_owned())
    };
    let token = since(0).await?;
    assert_eq!(titles(&world, 1, &bob, &format!("?since={token}")).await?, [""; 0]);

    world.does(&alice, "POST", &format!("{}/messages", rooms[1]), json!({"text": "hi"})).await?;
    world.does(&bob, "PATCH", &format!("{}/members/me", rooms[2]), json!({"archived": true})).await?;
    world.makes(&alice, json!({"kind": "group", "members": [bob.id], "title": "new"})).await?;
    let public = json!({"kind": "broadcast", "visibility": "public", "title": "news"});
    let public = world.makes(&alice, public).await?;
    world.does(&bob, "PUT", &format!("{public}/members/me"), Value::Null).await?;
    for site in [0, 1] {
        let mut changed = titles(&world, site, &bob, &format!("?since={token}")).await?;
        changed.sort();
        assert_eq!(changed, ["b", "c", "new", "news"]);
    }
    let token = since(1).await?;
    assert_eq!(titles(&world, 0, &bob, &format!("?since={token}")).await?, [""; 0]);

    for (query, titles_are) in [("?archived=true", &["c"][..]), ("?archived=false", &["news", "new", "b", "d", "a"])] {
        assert_eq!(titles(&world, 0, &bob, query).await?, titles_are, "{query}");
    }
    for query in ["?since=x", "?cursor=x", "?archived=maybe", "?limit=0"] {
        let path = format!("/v1/conversations{query}");
        assert_eq!(world.refused(&bob, "GET", &path, Value::Null).await?, "422 invalid", "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_left_is_in_no_later_page() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let mut rooms = Vec::new();
    for title in ["a", "b", "c"] {
        rooms.push(world.makes(&alice, json!({"kind": "group", "members": [bob.id], "title": title})).await?);
    }
    let first = world.does(&bob, "GET", "/v1/conversations?limit=1", Value::Null).await?;
    world.does(&alice, "DELETE", &format!("{}/members/{}", rooms[1], bob.id), Value::Null).await?;
    let next = first["next"].as_str().expect("more");
    assert_eq!(titles(&world, 1, &bob, &format!("?cursor={next}")).await?, ["a"]);
    // A cursor is no key to somebody else's list.
    let carol = world.user("carol").await?;
    assert_eq!(titles(&world, 1, &carol, &format!("?cursor={next}")).await?, [""; 0]);
    Ok(())
}

/// Two thousand conversations, the most one may have: the list comes with few questions, and there is no room for more.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_conversations_are_the_most() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (alice, bob) = (world.user("alice").await?, world.user("bob").await?);
    let (own, other): (UserId, UserId) = (bob.id.parse()?, alice.id.parse()?);
    let now = SystemClock.now();
    let mut rows = Vec::new();
    for n in 0..2_000_u64 {
        rows.push(
            made(&world, ConversationId::from_u128(n.into()), now.plus_ms(-(n as i64) * 1_000), &[own, other]).await?,
        );
    }
    for batch in rows.chunks(200) {
        world.local().store.apply(batch).await?;
    }
    let mut took = Vec::new();
    for _ in 0..3 {
        let started = std::time::Instant::now();
        let list = world.does(&bob, "GET", "/v1/conversations", Value::Null).await?;
        took.push(started.elapsed());
        let ids: Vec<_> = list["items"].as_array().into_iter().flatten().map(|item| item["id"].clone()).collect();
        let expected: Vec<_> = (0..50_u128).map(|n| json!(ConversationId::from_u128(n))).collect();
        assert_eq!(ids, expected);
    }
    println!("50 of 2,000 conversations, cold and warm: {took:?}");
    let carol = world.user("carol").await?;
    assert_eq!(world.refused(&bob, "POST", "/v1/conversations", json!({"kind": "group"})).await?, "409 limit_reached");
    let direct = json!({"kind": "direct", "members": [bob.id]});
    assert_eq!(world.refused(&carol, "POST", "/v1/conversations", direct).await?, "409 limit_reached");
    let room = world.makes(&carol, json!({"kind": "group", "visibility": "public"})).await?;
    let join = format!("{room}/members/me");
    assert_eq!(world.refused(&bob, "PUT", &join, Value::Null).await?, "409 limit_reached");
    let add = json!({"users": [bob.id]});
    assert_eq!(world.refused(&carol, "POST", &format!("{room}/members"), add).await?, "409 limit_reached");
    Ok(())
}

/// A conversation that began at this time, in the log; its row for the store.
async fn made(world: &World, of: ConversationId, at: Timestamp, members: &[UserId]) -> anyhow::Result<EventRow> {
    let members = members.iter().map(|user| MemberChanged { user: *user, role: Role::Member }).collect();
    let created = ConversationCreated {
        kind: Kind::Group,
        visibility: Visibility::Private,
        history: HistoryAccess::All,
        settings: Settings::default(),
        members,
    };
    let body = Body::ConversationCreated(Box::new(created));
    let event = Event { at, by: UserId::from_u128(1), body }.encode();
    let log = &world.local().log;
    let seq = log.append(of, Nonce::hash(&[&of.as_u128().to_be_bytes()]), event.clone(), None).await?.seq;
    Ok(EventRow { conversation: of, shard: log.shard_of(of), seq, event })
}

async fn titles(world: &World, site: usize, by: &User, query: &str) -> anyhow::Result<Vec<String>> {
    let list = world.ask(site, Some(by), "GET", &format!("/v1/conversations{query}"), None).await?.good()?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().map(|item| item["title"].as_str().unwrap_or_else(|| id("")).to_owned()).collect())
}
