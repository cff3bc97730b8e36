//! Binding the addresses before anything else starts: a port that is taken is said at once, in plain words.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, anyhow};

/// Binds `address`; `flag` is the setting to name if that fails.
pub(crate) fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|err| match err.kind() {
        ErrorKind::AddrInUse => anyhow!("{address} is taken by another process; choose another address with {flag}"),
        ErrorKind::PermissionDenied => anyhow!("{address} needs more rights; choose another address with {flag}"),
        ErrorKind::AddrNotAvailable => anyhow!("{address} is none of this machine's addresses; see {flag}"),
        _ => anyhow!("bind {address} ({flag}): {err}"),
    })?;
    listener.set_nonblocking(true).with_context(|| format!("prepare {address}"))?;
    Ok(listener)
}
