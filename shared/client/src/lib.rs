//! chat-client
