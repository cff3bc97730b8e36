//! chat-gateway

#[cfg_attr(not(test), expect(dead_code, reason = "until the router mounts it"))]
mod console; // the page to chat in
