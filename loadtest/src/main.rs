//! `chat-loadtest`: see the library.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    chat_loadtest::run(&chat_loadtest::Cli::parse())
}
