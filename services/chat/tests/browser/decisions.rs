//! The console's parts that decide without a screen, asked directly: they must decide as the server does.

use anyhow::ensure;
use chat_protocol::rights::{Right, Role};
use chat_testkit::browser::{Browser, Tab};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{PLAY_WITHIN, console, start};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_console_decides_by_itself_is_what_is_written() -> anyhow::Result<()> {
    let play = async {
        let chat = start().await?;
        let browser = Browser::start(env!("CARGO_TARGET_TMPDIR")).await?;
        let tab = browser.tab("nobody").await?;
        tab.go(&console(&chat)).await?;
        rights_are_those_of_the_server(&tab).await?;
        after_a_close_it_does_what_the_table_says(&tab).await?;
        styles_come_back_as_they_were_typed(&tab).await?;
        mentions_are_members_and_nothing_else(&tab).await?;
        a_pause_is_counted_from_ones_own_last_message(&tab).await?;
        unread_is_derived_and_never_counted_twice(&tab).await?;
        a_reaction_counts_once_however_often_it_is_heard(&tab).await?;
        ensure!(tab.complaints().is_empty(), "{:?}", tab.complaints());
        Ok(())
    };
    timeout(PLAY_WITHIN, play).await?
}

/// What an expression is, in which `it` is one of the console's files.
async fn ask(tab: &Tab, file: &str, expression: &str) -> anyhow::Result<Value> {
    tab.see(&format!("import('/console/{file}.js').then((it) => {expression})")).await
}

async fn rights_are_those_of_the_server(tab: &Tab) -> anyhow::Result<()> {
    for role in Role::ALL {
        let has = |right: &&Right| role.rights().has(**right);
        let expected: Vec<&str> = Right::ALL.iter().filter(has).map(|right| right.name()).collect();
        let names: Vec<&str> = Right::ALL.iter().map(|right| right.name()).collect();
        let info = json!({ "role": role, "kind": "group" });
        let found = ask(tab, "rights", &format!("{}.filter((right) => it.may(right, {info}))", json!(names))).await?;
        ensure!(found == json!(expected), "{role:?}: {found:?}");
    }
    let denied = json!({ "role": "member", "kind": "group", "overrides": { "member": { "deny": ["send"] } } });
    ensure!(ask(tab, "rights", &format!("it.may('send', {denied})")).await? == false, "an override takes it away");
    let moderator = json!({ "role": "moderator", "kind": "group" });
    ensure!(ask(tab, "rights", &format!("it.outranks({moderator}, 'moderator')")).await? == false, "not an equal");
    // What is set for a role to have exactly these rights; other roles keep theirs.
    let info =
        json!({ "kind": "group", "overrides": { "guest": { "deny": ["send"] }, "member": { "allow": ["ban"] } } });
    let wanted = "new Map([['member', new Set(['read', 'pin'])], ['reader', it.ofRole('reader', { kind: 'group' })]])";
    let set = ask(tab, "rights", &format!("it.overriding({info}, {wanted})")).await?;
    let denied = ["react", "send", "attach", "edit_own", "delete_own", "thread"];
    ensure!(set == json!({ "guest": { "deny": ["send"] }, "member": { "allow": ["pin"], "deny": denied } }), "{set}");
    Ok(())
}

async fn after_a_close_it_does_what_the_table_says(tab: &Tab) -> anyhow::Result<()> {
    for (codes, what) in [
        (vec![1001, 1006, 1011, 1013, 4000, 4001, 4002, 4003, 4005, 4006, 4007], "wait"),
        (vec![4004, 4501], "renew"),
        (vec![4503], "log_in"),
        (vec![1002, 1009, 4500, 4502, 4504, 4505, 4506, 4507, 4508], "stop"),
    ] {
        let done = ask(tab, "connection", &format!("{}.map((code) => it.afterClose(code))", json!(codes))).await?;
        ensure!(done == json!(vec![what; codes.len()]), "{codes:?}: {done}");
    }
    let waits = "[0, 3, 40].map((tried) => it.backoffMs(tried, { base_ms: 500, max_ms: 30000 }, 0.5))";
    let waits = ask(tab, "connection", waits).await?;
    ensure!(waits == json!([250, 2000, 15000]), "{waits}");
    Ok(())
}

async fn styles_come_back_as_they_were_typed(tab: &Tab) -> anyhow::Result<()> {
    for typed in
        ["plain", "**b😀ld** _it_ `a **b**`", "a_b_c 2 ** 3 ** 4", "```\nfn x() {}\n```", "https://x.y/_z_ ~~no~~"]
    {
        let back = ask(tab, "markup", &format!("it.unparse(it.parse({}))", json!(typed))).await?;
        ensure!(back == typed, "{typed}: {back}");
    }
    let sent = ask(tab, "markup", "it.parse('😀 **b😀ld** x')").await?;
    ensure!(sent == json!({ "text": "😀 b😀ld x", "spans": [{ "start": 2, "len": 4, "style": "bold" }] }), "{sent}");
    Ok(())
}

async fn mentions_are_members_and_nothing_else(tab: &Tab) -> anyhow::Result<()> {
    let ada = "01M814RE33CM9JD7GD6ZSAEKF4";
    let find = format!("(name) => (name === 'ada' ? '{ada}' : undefined)");
    let sent = ask(tab, "mentions", &format!("it.toWire('@ada, @adam x@ada @all.', {find}, true)")).await?;
    ensure!(sent == json!(format!("<@{ada}>, @adam x@ada <@all>.")), "{sent}");
    let sent = ask(tab, "mentions", &format!("it.toWire('@all', {find}, false)")).await?;
    ensure!(sent == "@all", "without the right it stays text: {sent}");
    Ok(())
}

async fn a_pause_is_counted_from_ones_own_last_message(tab: &Tab) -> anyhow::Result<()> {
    let at = |seconds: i64| chat_protocol::Timestamp::from_ms(seconds * 1_000);
    let rows =
        json!([{"by": "me", "at": at(100)}, {"by": "me", "at": at(130), "notice": "x"}, {"by": "you", "at": at(150)}]);
    let sent = json!([{"state": "failed", "at": at(145)}, {"state": "sent", "at": at(140)}]);
    for (role, waiting, now, left) in [
        ("member", json!([]), 110, 50_000),
        ("member", json!([]), 160, 0),
        ("member", sent.clone(), 160, 40_000),
        ("moderator", sent, 160, 0),
    ] {
        let info = json!({ "role": role, "kind": "group", "slow_mode_s": 60 });
        let of = json!({ "info": info, "timeline": { "rows": rows } });
        let found = ask(tab, "pace", &format!("it.waitMs({of}, 'me', {}, {waiting})", now * 1_000)).await?;
        ensure!(found == json!(left), "{role} at {now}: {found}");
    }
    let words = "[5, 60, 90, 300, 3600, 21600].map(it.pauseWords)";
    let words = ask(tab, "pace", words).await?;
    ensure!(words == json!(["5 seconds", "a minute", "90 seconds", "5 minutes", "an hour", "6 hours"]), "{words}");
    let left = ask(tab, "pace", "[500, 61000, 3605000].map(it.countdown)").await?;
    ensure!(left == json!(["0:01", "1:01", "1:00:05"]), "{left}");
    Ok(())
}

async fn unread_is_derived_and_never_counted_twice(tab: &Tab) -> anyhow::Result<()> {
    let play = "(() => {
        const one = new it.Unread();
        const seen = [];
        const look = () => seen.push([one.count, one.mentions]);
        one.tell({ head: 10, unread: 3, mentions: 1, marker: { read: 5 } });
        one.add(11, 'a', true), one.add(11, 'a', true), one.add(9, 'b', false), look();
        one.drop('a', 11), look();
        one.readTo(10), look();
        one.tell({ head: 10, unread: 3, mentions: 1, marker: { read: 5 } }), look();
        for (let seq = 11; seq < 200; seq += 1) one.add(seq, String(seq), false);
        look();
        return seen;
    })()";
    let seen = ask(tab, "unread", play).await?;
    ensure!(seen == json!([[4, 2], [3, 1], [0, 0], [0, 0], [100, 0]]), "{seen}");
    Ok(())
}

async fn a_reaction_counts_once_however_often_it_is_heard(tab: &Tab) -> anyhow::Result<()> {
    let play = "['add', 'add', 'remove', 'remove'].reduce(({ all, counts }, op) => {
        const { reactions } = it.reacted(all, { user: 'me', emoji: '👍', op }, 'me');
        return { all: reactions, counts: [...counts, reactions[0]?.count ?? 0] };
    }, { all: [], counts: [] }).counts";
    let counts = ask(tab, "reactions", play).await?;
    ensure!(counts == json!([1, 1, 0, 0]), "{counts}");
    Ok(())
}
