//! A writer in a process of its own: this test binary, started again.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use chat_protocol::{
    ClientId, ConversationId, Seq, Shard, Timestamp, UserId,
    event::{Body, Event, MessageCreated},
    model::{Content, MessageKind},
    time::SystemClock,
};
use chat_store::{Cursor, Embedded, EventRow, Marks, Messages, StoreError};

pub(crate) const OF: ConversationId = ConversationId::from_u128(9);
pub(crate) const ADA: UserId = UserId::from_u128(1);
pub(crate) const SHARD: Shard = Shard::new(3).unwrap();
pub(crate) const FIRST: u64 = 1_000;

/// Runs one ignored test of this binary in a process, and tells it where to write.
pub(crate) struct Writer {
    process: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Writer {
    /// `command` is given the binary's arguments.
    pub(crate) fn start(mut command: Command, test: &str, dir: &Path) -> Self {
        let mut process = command
            .args(["--exact", test, "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(process.stdin.take().unwrap(), "{}", dir.display()).unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The rest of the next line that begins with `word`; `None` when the writer has ended.
    pub(crate) fn hears(&mut self, word: &str) -> Option<String> {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned()))
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// In the writer's process: where to write.
pub(crate) fn told_where() -> String {
    let mut dir = String::new();
    std::io::stdin().read_line(&mut dir).unwrap();
    dir.trim().to_owned()
}

pub(crate) fn open(dir: &Path) -> Embedded {
    let database = fjall::Database::builder(dir).open().unwrap();
    Embedded::open(database, SystemClock).unwrap()
}

/// Writes messages of this size, five at once, and says what is stored, until the store refuses.
pub(crate) async fn write_on(store: &Embedded, bytes: usize) -> StoreError {
    let head = store.stored_heads(&[OF]).await.unwrap().first().copied().flatten();
    let mut next = head.map_or(FIRST, |head| head.get() + 1);
    loop {
        let rows: Vec<EventRow> = (next..next + 5).map(|seq| says(seq, bytes)).collect();
        if let Err(refused) = store.apply(&rows).await {
            return refused;
        }
        next += 5;
        println!("stored {}", next - 1);
        if let Err(refused) = store.raise_mark(SHARD, Seq::new(next - 1).unwrap()).await {
            return refused;
        }
    }
}

/// Everything from the first message to the last acknowledged one, in every table; nothing torn after it.
pub(crate) async fn everything_is_there(store: &Embedded, acknowledged: u64) {
    let mut after = Seq::ZERO;
    let mut expected = FIRST;
    loop {
        let page = store.events(OF, after, 1_000).await.unwrap();
        for row in &page.events {
            assert_eq!(row.seq.get(), expected, "a hole");
            assert!(store.first_with(OF, ADA, client_id(expected)).await.unwrap().is_some());
            expected += 1;
        }
        let Some(last) = page.events.last() else { break };
        after = last.seq;
    }
    assert!(expected > acknowledged, "{acknowledged} was acknowledged, the last one stored is {}", expected - 1);
    let newest = store.messages(OF, Cursor::Newest, 1).await.unwrap();
    assert_eq!(newest.messages.first().map(|message| message.seq.get()), Some(expected - 1));
    let mark = store.mark(SHARD).await.unwrap().map_or(FIRST - 1, Seq::get);
    // Raised in a write of its own, after that of the five.
    assert!(mark + 5 >= acknowledged && mark < expected, "mark {mark}");
}

fn client_id(seq: u64) -> ClientId {
    ClientId::from_u128(u128::from(seq))
}

fn says(seq: u64, bytes: usize) -> EventRow {
    let noise: String = (0..bytes / 32).map(|_| format!("{:032x}", rand::random::<u128>())).collect();
    let content = Content { text: Some(noise), ..Content::default() };
    let created = MessageCreated {
        client_id: client_id(seq),
        kind: MessageKind::Text,
        content,
        mentions: Vec::new(),
        deleted: false,
    };
    // Far ahead, so that its dedupe row is there whenever this runs.
    let at = Timestamp::from_ms(4_000_000_000_000);
    let event = Event { at, by: ADA, body: Body::MessageCreated(Box::new(created)) }.encode();
    EventRow { conversation: OF, shard: SHARD, seq: Seq::new(seq).unwrap(), event }
}
