//! One WebSocket, in both codecs, with a deadline on every step.

use std::time::Duration;

use chat_protocol::{
    codec::Codec,
    frame::{ClientFrame, ServerFrame},
};
use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        error::UrlError,
        http::{
            HeaderValue,
            header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL},
        },
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An open socket.
pub(crate) struct Wire {
    stream: WebSocketStream<TcpStream>,
    codec: Codec,
}

/// How long a gateway that refused the upgrade wants to be left alone.
pub(crate) fn told_to_wait(refused: &Error) -> Option<Duration> {
    let Error::Http(answer) = refused else { return None };
    let seconds: u32 = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Box<ServerFrame>),
    /// A ping, or a frame of a later version: a sign of life.
    Alive,
    /// With the server's code, or `None` if it was just gone.
    Closed(Option<u16>),
}

impl Wire {
    /// Opens a socket to the gateway at `base` (`http://host:port`).
    pub(crate) async fn open(base: &str, codec: Codec) -> Result<Self, Error> {
        let host =
            base.strip_prefix("http://").ok_or(Error::Url(UrlError::UnsupportedUrlScheme))?.trim_end_matches('/');
        let mut request = format!("ws://{host}/v1/ws").into_client_request()?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
        let authority = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let opening = async {
            let tcp = TcpStream::connect(authority).await?;
            tcp.set_nodelay(true)?;
            let (stream, _) = client_async(request, tcp).await?;
            Ok(Self { stream, codec })
        };
        timeout(OPEN_TIMEOUT, opening).await.unwrap_or_else(|late| Err(Error::Io(late.into())))
    }

    pub(crate) async fn say(&mut self, frame: &ClientFrame) -> Result<(), Error> {
        let bytes = self.codec.encode(frame);
        let message = match self.codec {
            Codec::Json => Message::Text(String::from_utf8(bytes).map_err(|err| Error::Utf8(err.to_string()))?.into()),
            Codec::MsgPack => Message::Binary(bytes.into()),
        };
        timeout(WRITE_TIMEOUT, self.stream.send(message)).await.unwrap_or_else(|late| Err(Error::Io(late.into())))
    }

    /// The next thing that comes in; nothing is lost when this is dropped.
    pub(crate) async fn hear(&mut self) -> Heard {
        let bytes = match self.stream.next().await {
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return Heard::Closed(Some(code.into())),
            Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Closed(None),
            Some(Ok(_)) => return Heard::Alive,
        };
        match self.codec.decode::<ServerFrame>(&bytes) {
            Ok(frame) => Heard::Frame(Box::new(frame)),
            Err(err) => {
                tracing::debug!(error = %err, "frame of another version ignored");
                Heard::Alive
            }
        }
    }

    /// After a write failed: why the other side closed, if it said so before it went. What else it said is passed over;
    /// events come again by cursor, and sends are repeated.
    pub(crate) async fn last_words(&mut self) -> Option<u16> {
        let reading = async {
            loop {
                if let Heard::Closed(code) = self.hear().await {
                    return code;
                }
            }
        };
        timeout(CLOSE_TIMEOUT, reading).await.ok().flatten()
    }

    /// Leaves in order; the server may have gone already.
    pub(crate) async fn close(mut self) {
        let farewell = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        let _ = timeout(CLOSE_TIMEOUT, self.stream.close(Some(farewell))).await;
    }
}
