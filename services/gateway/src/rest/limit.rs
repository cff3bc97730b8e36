//! How often who asks: looked at before anything is done for them.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, Request, request::Parts},
};
use chat_auth::Access;

use super::extract;
use crate::{app::App, fault::Fault, rate::Address};

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Whose request it is, for limits.
pub struct From(pub Address);

impl FromRequestParts<Arc<App>> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(address(app, &parts.extensions, &parts.headers)))
    }
}

/// Of a request's sender, or of whom a trusted proxy speaks for.
pub fn address(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Address {
    let peer = extensions.get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| peer.ip());
    Address::of(peer, headers, &app.config.limits.trusted_proxies)
}

/// Whose token was found good: the handler need not look at it again.
#[derive(Debug, Clone, Copy)]
pub struct Verified(pub Access);

/// Before every route.
pub fn admit(app: &App, request: &mut Request<Body>) -> Result<(), Fault> {
    let path = request.uri().path();
    // The console's few files are no requests to us, and a WebSocket has limits of its own.
    if !path.starts_with("/v1/") || path == "/v1/ws" {
        return Ok(());
    }
    let access = extract::bearer(request.headers()).and_then(|token| app.verify(token).ok());
    match access {
        Some(access) => {
            request.extensions_mut().insert(Verified(access));
            app.rates.request(access.user, app.now())
        }
        None => app.rates.anonymous(address(app, request.extensions(), request.headers()), app.now()),
    }
}
