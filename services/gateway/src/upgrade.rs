//! `GET /v1/ws`: what must be right before a request becomes a WebSocket.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderValue, Request, Response, StatusCode,
        header::{
            CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_VERSION, UPGRADE,
        },
    },
};
use chat_protocol::{ErrorCode, codec::Codec};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    accept::Place,
    app::App,
    fault::Fault,
    metrics,
    rest::{self, Problem},
    socket,
};

/// Open a WebSocket
///
/// What is said on it is described in docs/protocol.md. The token goes into the first frame, never into the address.
#[utoipa::path(
    get, path = "/v1/ws", tag = "WebSocket", operation_id = "open_socket",
    params(("Upgrade" = String, Header), ("Connection" = String, Header), ("Sec-WebSocket-Key" = String, Header), ("Sec-WebSocket-Version" = String, Header), ("Sec-WebSocket-Protocol" = Option<String>, Header), ("Origin" = Option<String>, Header)),
    responses((status = 101, description = "The connection is a WebSocket now", headers(("Sec-WebSocket-Protocol" = String, description = "The one that was chosen, if one was offered"))))
)]
pub async fn ws(State(app): State<Arc<App>>, mut request: Request<Body>) -> Result<Response<Body>, Problem> {
    let rejected = |fault: &Fault| metrics::rejected(fault.code.code());
    let (codec, accept) = check(&app, request.headers()).inspect_err(rejected)?;
    let from = rest::address(&app, request.extensions(), request.headers());
    let occupancy = app.rates.connect(from, app.now()).inspect_err(rejected)?;
    let place = request.extensions().get::<Place>().cloned();
    let upgrade = hyper::upgrade::on(&mut request);
    let named = codec.is_some();
    let codec = codec.unwrap_or(Codec::Json);
    let tasks = app.shutdown.clone();
    tasks.spawn(async move {
        // Held until the socket is gone.
        let _places = (place, occupancy);
        let Ok(upgraded) = upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            return tracing::error!("upgraded connection is not the socket that was accepted");
        };
        // Copied: the slice would keep hyper's whole read buffer for the socket's life.
        let first = bytes::Bytes::copy_from_slice(&parts.read_buf);
        let stream = parts.io.into_inner();
        drop(parts.read_buf);
        socket::serve(app, stream, first, codec).await;
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if named {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(codec.subprotocol()));
    }
    Ok(response)
}

fn check(app: &App, headers: &HeaderMap) -> Result<(Option<Codec>, HeaderValue), Fault> {
    app.accepting()?;
    if !origin_allowed(headers, &app.config.allowed_origins) {
        return Err(Fault::new(ErrorCode::OriginRefused, "this origin is not allowed"));
    }
    let upgrade_required = || Fault::new(ErrorCode::UpgradeRequired, "a WebSocket handshake (RFC 6455) is expected");
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24).ok_or_else(upgrade_required)?;
    let version = headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    if !version || !has_token(headers, CONNECTION, "upgrade") || !has_token(headers, UPGRADE, "websocket") {
        return Err(upgrade_required());
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| upgrade_required())?;
    Ok((codec(headers)?, accept))
}

/// The first subprotocol we know; none offered = JSON, unnamed.
fn codec(headers: &HeaderMap) -> Result<Option<Codec>, Fault> {
    let mut offered = tokens(headers, SEC_WEBSOCKET_PROTOCOL).peekable();
    if offered.peek().is_none() {
        return Ok(None);
    }
    let known = offered.find_map(|name| Codec::ALL.into_iter().find(|codec| codec.subprotocol() == name));
    known.map(Some).ok_or_else(|| Fault::new(ErrorCode::UnsupportedProtocol, "chat.v1.json or chat.v1.msgpack"))
}

/// Browsers name the page's origin and nothing else does: exact matches only, or the very host that was asked.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|allowed| allowed == origin) {
        return true;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some() && own == host
}

fn has_token(headers: &HeaderMap, name: axum::http::HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|present| present.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: axum::http::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_exact_origins_pass() {
        let allowed = ["https://chat.example.com".to_owned()];
        let passes = |pairs: &[(&'static str, &'static str)]| origin_allowed(&headers(pairs), &allowed);
        assert!(passes(&[]));
        assert!(passes(&[("origin", "https://chat.example.com")]));
        assert!(passes(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        for origin in
            ["null", "https://chat.example.com.evil.example", "https://evil-chat.example.com", "chat.example.com", ""]
        {
            assert!(!passes(&[("origin", origin), ("host", "chat.example.com")]), "{origin}");
        }
    }

    #[test]
    fn the_first_known_subprotocol_wins() {
        let chosen = |value| codec(&headers(&[("sec-websocket-protocol", value)])).map_err(|fault| fault.code);
        assert_eq!(codec(&headers(&[])).unwrap(), None);
        assert_eq!(chosen("chat.v9, chat.v1.msgpack, chat.v1.json"), Ok(Some(Codec::MsgPack)));
        assert_eq!(chosen("graphql-ws"), Err(ErrorCode::UnsupportedProtocol));
    }
}
