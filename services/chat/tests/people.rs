//! Users, conversations, members, roles, bans, blocks, settings, lists and jobs, over two gateways that share one log
//! and one store; the last play runs on real servers.

#[path = "people/bans.rs"]
mod bans; // kept out, everywhere
#[path = "people/blocks.rs"]
mod blocks; // what a block stops
#[path = "people/cluster.rs"]
mod cluster; // the same on NATS and CQL
#[path = "people/conversations.rs"]
mod conversations; // changed, deleted
#[path = "people/list.rs"]
mod list; // one's own conversations
#[path = "people/members.rs"]
mod members; // roles, and who may give them
#[path = "bad_input/raw.rs"]
#[expect(dead_code, reason = "what breaks frames is used elsewhere")]
mod raw; // a WebSocket client
#[path = "people/readers.rs"]
mod readers; // of broadcasts
#[path = "people/sessions.rs"]
mod sessions; // devices, and how they end
#[path = "people/settings.rs"]
mod settings; // for one's own eyes
#[path = "people/users.rs"]
mod users; // profiles, and their end
#[path = "people/world.rs"]
mod world; // gateways, and how they are asked
