//! The handle, its settings, and what it tells.

use std::{sync::Arc, time::Duration};

use chat_protocol::{
    ClientId, ConversationId, ErrorCode, MessageId, Seq, UserId,
    codec::Codec,
    event::{LeftReason, ReactionOp},
    frame::{
        Ack, ClientFrame, Counts, Cursors, Delete, Edit, EventFrame, Marked, MarkerShown, React, SecretText, Send,
        SetStatus, Typing, TypingShown, TypingState, Watch,
    },
    model::{Content, ContentChange, Presence, Status},
};
use tokio::sync::{mpsc, oneshot};

use crate::{CommandError, LoggedIn, Rest, SendError, answers::Answer, clock::ServerClock, driver};

/// Commands that wait for the driver, and happenings that wait for the reader.
const COMMANDS: usize = 64;
const HAPPENINGS: usize = 1_024;

/// How a client comes to be.
#[derive(Clone)]
pub struct Config {
    /// `http://host:port` of each gateway; the first is tried first, then in a circle.
    pub gateways: Vec<String>,
    /// Renewed by itself while the client runs, if there is a refresh token.
    pub access_token: SecretText,
    /// Worth nothing once the client used it.
    pub refresh_token: Option<SecretText>,
    /// What the user calls this device.
    pub device: String,
    /// How frames are written.
    pub codec: Codec,
    /// Where an earlier run of this client had come to.
    pub cursors: Cursors,
    /// A send is tried again for this long.
    pub give_up_after: Duration,
    /// Hears everything at once, in order; for records and tests.
    pub observer: Arc<dyn Observer>,
    /// Off only as a negative control of tests: gaps are passed over.
    pub repair_gaps: bool,
}

impl Config {
    /// The usual settings, for a log-in.
    pub fn new(gateways: impl IntoIterator<Item = impl Into<String>>, login: &LoggedIn) -> Self {
        Self {
            gateways: gateways.into_iter().map(Into::into).collect(),
            access_token: login.access_token.clone(),
            refresh_token: Some(login.refresh_token.clone()),
            device: "client".to_owned(),
            codec: Codec::Json,
            cursors: Cursors::new(),
            give_up_after: Duration::from_secs(60),
            observer: Arc::new(Unwatched),
            repair_gaps: true,
        }
    }
}

/// What a client tells. Everything about one conversation comes in its order.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// A socket is open and accepted; what was missed comes now.
    Opened {
        /// Counted from 1.
        socket: u32,
        /// Who the server says this is.
        user: UserId,
    },
    /// Everything that was missed has been told; the view is live.
    Live,
    /// The gateway asked to leave: the next socket is open, and the old one stays until that is [`Happened::Live`].
    Moved,
    /// The socket is gone; the client comes back by itself.
    Lost {
        /// The server's close code, if it said one.
        code: Option<u16>,
    },
    /// No socket could be opened: nobody listens, or the gateway refused. The client tries again by itself.
    NotConnected,
    /// The client has ended.
    Stopped(Stopped),
    /// From here on every event of this conversation is told.
    Following {
        /// Which.
        conversation: ConversationId,
        /// What came before is history.
        after: Seq,
    },
    /// A durable event.
    Event(Box<EventFrame>),
    /// Events that cannot be told: the conversation's view has to be loaded anew.
    Skipped {
        /// Which.
        conversation: ConversationId,
        /// The last position that was told.
        from: Seq,
        /// Where events go on.
        head: Seq,
    },
    /// No longer in this conversation.
    Left {
        /// Which.
        conversation: ConversationId,
        /// Why.
        reason: LeftReason,
    },
    /// How far somebody has read: another device of this user, or a member of a conversation in focus. Like the next
    /// three it may be lost, and is when the reader lags.
    Marker(MarkerShown),
    /// Somebody types in a conversation in focus, or no longer.
    Typing(TypingShown),
    /// How watched users are now.
    Presence(Vec<Presence>),
    /// How many members of a big conversation in focus are online.
    Counts(Counts),
    /// A try of a send leaves now. For observers only.
    Sending {
        /// Which.
        client_id: ClientId,
        /// Where to.
        conversation: ConversationId,
        /// Over which socket.
        socket: u32,
    },
    /// A try of a send was acknowledged. For observers only.
    Acked {
        /// Where to.
        conversation: ConversationId,
        /// The answer.
        ack: Ack,
    },
    /// A try of a send had no answer, or one that says to try again. For observers only.
    Unanswered {
        /// Which.
        client_id: ClientId,
        /// Where to.
        conversation: ConversationId,
    },
    /// A send was refused for good. For observers only.
    Refused {
        /// Which.
        client_id: ClientId,
        /// Where to.
        conversation: ConversationId,
    },
}

/// Why a client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Its handles are gone, or [`Client::stop`] was called.
    ByItself,
    /// The server closed for good: log in again, or do what the code says.
    ByServer(u16),
    /// The first frame was refused for good.
    Refused(ErrorCode),
}

/// Hears everything a client tells, in order, at the moment it happens. Must not block.
pub trait Observer: std::marker::Send + Sync + 'static {
    /// This happened.
    fn happened(&self, what: &Happened);
}

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Observer for Unwatched {
    fn happened(&self, _: &Happened) {}
}

/// A running client. Clones are the same client; it ends with the last of them.
#[derive(Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    clock: Arc<ServerClock>,
}

/// What a client tells, one after the other. A reader that stops reading stops its client's socket, which the server
/// closes in the end; nothing is lost by that. One that is dropped stops nothing.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Happened>);

impl Events {
    /// The next; `None` once the client has ended.
    pub async fn next(&mut self) -> Option<Happened> {
        self.0.recv().await
    }
}

pub(crate) enum Command {
    Send {
        send: Box<Send>,
        answer: oneshot::Sender<Result<Ack, SendError>>,
    },
    /// Has an answer; its reference is filled in when it leaves.
    Ask {
        frame: Box<ClientFrame>,
        answer: Waiter,
    },
    Mark(ConversationId, Marked),
    Typing(Typing),
    Focus(Vec<ConversationId>),
    Reconnect,
    Stop,
}

/// Whoever waits for an answer over the socket.
pub(crate) type Waiter = oneshot::Sender<Result<Answer, CommandError>>;

impl Client {
    /// Starts a client in the background of the present runtime. It connects by itself, and comes back by itself.
    pub fn start(config: Config) -> (Self, Events) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (outlet, happenings) = mpsc::channel(HAPPENINGS);
        let clock = Arc::new(ServerClock::default());
        let first = config.gateways.first().cloned().unwrap_or_default();
        let rest = Rest::new(&first).by(config.access_token.clone());
        tokio::spawn(driver::run(config, rest, Arc::clone(&clock), inbox, outlet));
        (Self { commands, clock }, Events(happenings))
    }

    /// Sends a text, and waits until the log has it; tried again, on whichever gateway answers, until then.
    pub async fn send(&self, to: ConversationId, text: impl Into<String>) -> Result<Ack, SendError> {
        self.send_as(self.mint(), to, text).await
    }

    /// The same with an id that was minted before: the same message, however often it is sent.
    pub async fn send_as(
        &self,
        client_id: ClientId,
        to: ConversationId,
        text: impl Into<String>,
    ) -> Result<Ack, SendError> {
        self.send_content(client_id, to, Content { text: Some(text.into()), ..Content::default() }).await
    }

    /// The same with anything a message may hold.
    pub async fn send_content(
        &self,
        client_id: ClientId,
        to: ConversationId,
        content: Content,
    ) -> Result<Ack, SendError> {
        let send = Send { client_id, conversation: to, content };
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Send { send: Box::new(send), answer }).await.map_err(|_| SendError::Ended)?;
        answered.await.unwrap_or(Err(SendError::Ended))
    }

    /// Changes a message of this user's; answers the position of the change.
    pub async fn edit(
        &self,
        conversation: ConversationId,
        message: MessageId,
        change: ContentChange,
    ) -> Result<Option<Seq>, CommandError> {
        self.done(ClientFrame::Edit(Box::new(Edit { reference: None, conversation, message, change }))).await
    }

    /// Deletes messages for all, at most 100.
    pub async fn delete(
        &self,
        conversation: ConversationId,
        messages: Vec<MessageId>,
    ) -> Result<Option<Seq>, CommandError> {
        self.done(ClientFrame::Delete(Delete { reference: None, conversation, messages })).await
    }

    /// Adds a reaction, or takes it back; zero if nothing changed.
    pub async fn react(
        &self,
        conversation: ConversationId,
        message: MessageId,
        emoji: impl Into<String>,
        op: ReactionOp,
    ) -> Result<Option<Seq>, CommandError> {
        let emoji = emoji.into();
        self.done(ClientFrame::React(React { reference: None, conversation, message, emoji, op })).await
    }

    /// Sets what others see of this user's presence.
    pub async fn set_status(&self, status: Status) -> Result<(), CommandError> {
        self.done(ClientFrame::Status(SetStatus { reference: None, status })).await.map(drop)
    }

    /// Watches users, and no longer watches others, also over reconnects; answers how those added are. Without a
    /// socket it takes effect with the next one.
    pub async fn watch(&self, add: Vec<UserId>, remove: Vec<UserId>) -> Result<Vec<Presence>, CommandError> {
        match self.ask(ClientFrame::Watch(Watch { reference: None, add, remove })).await? {
            Answer::States(states) => Ok(states),
            Answer::Done(_) => Err(CommandError::Unexpected),
        }
    }

    /// Says how far the user has read (which is also received), now and after every reconnect.
    pub async fn read_to(&self, conversation: ConversationId, seq: Seq) {
        self.tell(Command::Mark(conversation, Marked { read: Some(seq), delivered: Some(seq) })).await;
    }

    /// Says how far this device has received.
    pub async fn received_to(&self, conversation: ConversationId, seq: Seq) {
        self.tell(Command::Mark(conversation, Marked { read: None, delivered: Some(seq) })).await;
    }

    /// Says that the user types, or no longer. Lost without a socket.
    pub async fn typing(&self, conversation: ConversationId, state: TypingState) {
        self.tell(Command::Typing(Typing { conversation, state })).await;
    }

    /// Says what is on screen, at most four conversations: their typing and receipts are told. Said again after every
    /// reconnect.
    pub async fn focus(&self, conversations: Vec<ConversationId>) {
        self.tell(Command::Focus(conversations)).await;
    }

    async fn done(&self, frame: ClientFrame) -> Result<Option<Seq>, CommandError> {
        match self.ask(frame).await? {
            Answer::Done(seq) => Ok(seq),
            Answer::States(_) => Err(CommandError::Unexpected),
        }
    }

    async fn ask(&self, frame: ClientFrame) -> Result<Answer, CommandError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask { frame: Box::new(frame), answer };
        self.commands.send(command).await.map_err(|_| CommandError::Ended)?;
        answered.await.unwrap_or(Err(CommandError::Ended))
    }

    async fn tell(&self, command: Command) {
        // A client that has ended has nobody to tell.
        let _ = self.commands.send(command).await;
    }

    /// A fresh id, by the server's clock.
    pub fn mint(&self) -> ClientId {
        self.clock.mint()
    }

    /// Leaves this socket and resumes on the next gateway.
    pub async fn reconnect(&self) {
        self.tell(Command::Reconnect).await;
    }

    /// Closes the socket and ends. Sends without an answer hear [`SendError::Ended`].
    pub async fn stop(&self) {
        self.tell(Command::Stop).await;
    }
}
