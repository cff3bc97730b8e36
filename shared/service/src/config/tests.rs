use std::io::Write as _;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::*;

#[derive(Debug, Parser)]
#[command(name = "chat")]
struct Cli {
    /// Where the log is
    #[arg(long, default_value = "embedded")]
    log: String,
    #[command(flatten)]
    persister: PersisterConfig,
    #[command(flatten)]
    auth: AuthConfig,
    /// Tests only
    #[arg(long, default_value_t = 7, hide = true)]
    chaos: u32,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "persister")]
struct PersisterConfig {
    /// Most rows in one batch
    #[arg(long, default_value_t = 250)]
    persister_batch_rows: u32,
    /// Give up on the store after this
    #[arg(long, default_value = "5s", value_parser = units::duration)]
    persister_store_timeout: std::time::Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "auth")]
struct AuthConfig {
    /// Signs the tokens of a cluster
    #[arg(long)]
    auth_key: Option<Secret<String>>,
    /// Who may call from a browser
    #[arg(long)]
    auth_origins: Vec<String>,
    /// Accept new accounts
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    auth_open: bool,
}

#[derive(Debug, PartialEq, Subcommand)]
enum Role {
    Gateway,
}

/// One start of the process: its flags, its environment, its file.
#[derive(Default)]
struct Start<'a> {
    flags: &'a [&'a str],
    env: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Start<'_> {
    fn load(&self) -> Result<(Cli, Loaded), Error> {
        let file = self.file.map(|text| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        });
        let path = file.as_ref().map(|file| file.path().to_string_lossy().into_owned());
        let args = std::iter::once("chat").chain(self.flags.iter().copied());
        let loaded = load(Cli::command(), args, |name| {
            let told = self.env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            told.or_else(|| path.clone().filter(|_| name == "CHAT_CONFIG"))
        })?;
        Ok((Cli::from_arg_matches(&loaded.matches)?, loaded))
    }

    fn refused(&self) -> String {
        self.load().map(|(cli, _)| cli).expect_err("must be refused").to_string()
    }
}

fn origin(loaded: &Loaded, path: &str) -> Origin {
    loaded.settings.iter().find(|setting| setting.key.path() == path).expect("a known setting").origin
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let file = Some("[persister]\nbatch_rows = 300\n");
    let env: &[_] = &[("CHAT_PERSISTER_BATCH_ROWS", "400")];
    let flags: &[_] = &["--persister-batch-rows", "500"];
    let rows = |start: Start<'_>| {
        let (cli, loaded) = start.load().unwrap();
        (cli.persister.persister_batch_rows, origin(&loaded, "persister.batch_rows"))
    };

    assert_eq!(rows(Start::default()), (250, Origin::Default));
    assert_eq!(rows(Start { file, ..Start::default() }), (300, Origin::File));
    assert_eq!(rows(Start { file, env, ..Start::default() }), (400, Origin::Environment));
    assert_eq!(rows(Start { file, env, flags }), (500, Origin::Flag));
}

#[test]
fn settings_may_follow_the_subcommand() {
    let flags = &["gateway", "--persister-batch-rows", "500"];
    let (cli, loaded) = Start { flags, file: Some("log = \"nats://a\""), ..Start::default() }.load().unwrap();
    assert_eq!(cli.role, Some(Role::Gateway));
    assert_eq!((cli.persister.persister_batch_rows, cli.log.as_str()), (500, "nats://a"));
    assert_eq!(origin(&loaded, "persister.batch_rows"), Origin::Flag);
    assert_eq!(origin(&loaded, "log"), Origin::File);
}

#[test]
fn lists_come_as_arrays_commas_or_repeated_flags() {
    let origins = |start: Start<'_>| start.load().unwrap().0.auth.auth_origins;
    assert_eq!(origins(Start { file: Some("[auth]\norigins = [\"a\", \"b\"]"), ..Start::default() }), ["a", "b"]);
    assert_eq!(origins(Start { env: &[("CHAT_AUTH_ORIGINS", "a, b")], ..Start::default() }), ["a", "b"]);
    assert_eq!(
        origins(Start { flags: &["--auth-origins", "a", "--auth-origins", "b"], ..Start::default() }),
        ["a", "b"]
    );
    assert!(origins(Start::default()).is_empty());
}

#[test]
fn an_empty_environment_variable_is_not_set() {
    let (cli, _) = Start { env: &[("CHAT_PERSISTER_BATCH_ROWS", "")], ..Start::default() }.load().unwrap();
    assert_eq!(cli.persister.persister_batch_rows, 250);
}

#[test]
fn truth_values_come_from_every_layer() {
    let open = |start: Start<'_>| start.load().unwrap().0.auth.auth_open;
    assert!(open(Start::default()));
    assert!(!open(Start { file: Some("[auth]\nopen = false"), ..Start::default() }));
    assert!(!open(Start { env: &[("CHAT_AUTH_OPEN", "false")], ..Start::default() }));
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let refused = |file| Start { file: Some(file), ..Start::default() }.refused();
    let typo = refused("[persister]\nbatch_row = 1");
    assert!(typo.contains("unknown key `persister.batch_row`; did you mean `persister.batch_rows`?"), "{typo}");
    assert!(refused("[persistor]\nbatch_rows = 1").contains("unknown key `persistor`"));
    assert!(refused("persister_batch_rows = 1").contains("unknown key `persister_batch_rows`"));
    assert!(refused("config = \"other.toml\"").contains("unknown key `config`"));
}

#[test]
fn wrong_types_name_the_place() {
    let refused = |file| Start { file: Some(file), ..Start::default() }.refused();
    let word = refused("[persister]\nbatch_rows = \"many\"");
    assert!(word.contains("`persister.batch_rows`: invalid value 'many'"), "{word}");
    assert!(refused("[persister]\nbatch_rows = -1").contains("`persister.batch_rows`"));
    assert!(refused("[persister]\nbatch_rows = [1, 2]").contains("wants one value, not a list"));
    assert!(refused("log = { url = \"x\" }").contains("wants one value, not a table"));
    assert!(refused("[persister]\nstore_timeout = 5").contains("a number and a unit"));

    let env = Start { env: &[("CHAT_PERSISTER_BATCH_ROWS", "many")], ..Start::default() }.refused();
    assert!(env.starts_with("CHAT_PERSISTER_BATCH_ROWS: invalid value 'many'"), "{env}");
}

#[test]
fn a_broken_file_names_the_line_but_never_shows_it() {
    let refused = Start { file: Some("log = \"x\"\nauth_key = s3cret\n"), ..Start::default() }.refused();
    assert!(refused.contains("line 2"), "{refused}");
    assert!(!refused.contains("s3cret"), "{refused}");
}

#[test]
fn a_missing_file_is_an_error() {
    let refused = Start { flags: &["--config", "no-such.toml"], ..Start::default() }.refused();
    assert!(refused.contains("no-such.toml"), "{refused}");
}

#[test]
fn the_report_is_toml_with_origins_and_without_secrets() {
    let start = Start {
        flags: &["--log", "nats://me:pass@h"],
        env: &[("CHAT_AUTH_KEY", "s3cret")],
        file: Some("[persister]\nbatch_rows = 300"),
    };
    let report = render(&start.load().unwrap().1.settings);

    assert!(report.contains("log = \"nats://***@h\"  # flag --log"), "{report}");
    assert!(report.contains("[persister]\nbatch_rows = 300  # file\n"), "{report}");
    assert!(report.contains("store_timeout = \"5s\"  # default"), "{report}");
    assert!(report.contains("key = \"***\"  # environment CHAT_AUTH_KEY"), "{report}");
    assert!(report.contains("# origins is not set"), "{report}");
    assert!(!report.contains("s3cret") && !report.contains("pass"), "{report}");
    report.parse::<toml::Table>().expect("the report is TOML itself");
}

#[test]
fn hidden_settings_are_shown_only_where_they_were_set() {
    let report = |start: Start<'_>| render(&start.load().unwrap().1.settings);
    assert!(!report(Start::default()).contains("chaos"));
    assert!(report(Start { env: &[("CHAT_CHAOS", "8")], ..Start::default() }).contains("chaos = 8"));
    assert!(!reference(&Cli::command()).contains("chaos"));
}

#[test]
fn the_reference_names_every_setting_in_all_places() {
    let text = reference(&Cli::command());
    let row =
        "| `batch_rows` | `--persister-batch-rows` | `CHAT_PERSISTER_BATCH_ROWS` | `250` | Most rows in one batch |";
    assert!(text.contains(row), "{text}");
}
