//! chat-persister
