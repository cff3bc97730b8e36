//! Parse, connect, run.

use std::io::Write;
use std::process::ExitCode;

use chat::cli::{Cli, Command};
use chat::serve::{Role, serve};
use chat::{announce, docs, doctor, health, limits, migrate, token};
use chat_service::{config, telemetry};
use clap::{CommandFactory, FromArgMatches};

/// A message is some hundred small pieces, made on one thread and dropped on another: ADR 0008 has the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let (cli, loaded) = match parse() {
        Ok(parsed) => parsed,
        Err(config::Error::Usage(usage)) => usage.exit(),
        Err(err) => {
            eprintln!("chat: {err}");
            return ExitCode::from(2);
        }
    };
    match perform(cli, &loaded).await {
        Ok(code) => code,
        Err(err) => {
            eprintln!("chat: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<(Cli, config::Loaded), config::Error> {
    let loaded = config::load(Cli::command(), std::env::args_os(), config::process_env)?;
    Ok((Cli::from_arg_matches(&loaded.matches)?, loaded))
}

async fn perform(cli: Cli, loaded: &config::Loaded) -> anyhow::Result<ExitCode> {
    let settings = cli.settings;
    match cli.command.unwrap_or(Command::All) {
        Command::All => run(Role::All, settings).await,
        Command::Gateway => run(Role::Gateway, settings).await,
        Command::Persister => run(Role::Persister, settings).await,
        Command::Canary => run(Role::Canary, settings).await,
        Command::Presence => run(Role::Presence, settings).await,
        Command::Migrate { replicas, datacenter } => {
            show(&migrate::run(&settings, replicas, datacenter.into_iter().collect()).await?)
        }
        Command::Config { docs: false } => show(&config::render(&loaded.settings)),
        Command::Config { docs: true } => show(&docs::settings()),
        Command::Openapi => show(chat_gateway::openapi()),
        Command::Metrics => show(&docs::metrics()),
        Command::Token(command) => show(&token::run(command, &settings)?),
        Command::Doctor => {
            let (report, healthy) = doctor::run(&settings).await;
            show(&report)?;
            Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Health { question } => {
            let (answer, yes) = health::ask(settings.ops_listen, question)?;
            show(&answer)?;
            Ok(if yes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

async fn run(role: Role, settings: chat::Settings) -> anyhow::Result<ExitCode> {
    telemetry::init(&settings.telemetry)?;
    let traces = settings.traces.init(role.service(), env!("CARGO_PKG_VERSION"))?;
    limits::raise_file_limit();
    let running = serve(role, settings).await?;
    running.shutdown().on_signals()?;
    announce::to_people_and_programs(&running);
    let finished = running.finished().await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    finished?;
    Ok(ExitCode::SUCCESS)
}

fn show(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
