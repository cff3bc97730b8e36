//! The Rust client's examples do what they say, beside a real server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use chat_client::{NewConversation, Rest};
use chat_protocol::model::Kind;
use chat_protocol::{ClientId, Clock, Seq, time::SystemClock};
use chat_testkit::process::{self, Chat};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_chat");
/// They may have to be compiled first.
const BUILT_WITHIN: Duration = Duration::from_secs(600);
const WITHIN: Duration = Duration::from_secs(60);

/// Cargo builds the examples of a package only with that package.
async fn built() -> anyhow::Result<PathBuf> {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let arguments = ["build", "--manifest-path", workspace, "--package", "chat-client", "--examples", "--locked"];
    let building = process::run(env!("CARGO"), &arguments, BUILT_WITHIN).await?;
    ensure!(building.status.success(), "{}", building.output);
    let folder = Path::new(BINARY).parent().context("a program lies in a folder")?.join("examples");
    ensure!(folder.join("hello").is_file(), "no examples in {}", folder.display());
    Ok(folder)
}

fn minted() -> ClientId {
    ClientId::ulid(u64::try_from(SystemClock.now().as_ms()).unwrap_or_default(), rand::random())
}

/// Reads what a program says until a line holds these words.
async fn says(child: &mut Child, words: &str) -> anyhow::Result<String> {
    let output = child.stdout.as_mut().context("its output is piped")?;
    let mut lines = BufReader::new(output).lines();
    let reading = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains(words) {
                return Ok(line);
            }
        }
        anyhow::bail!("it ended without saying {words:?}")
    };
    timeout(WITHIN, reading).await.with_context(|| format!("it did not say {words:?}"))?
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_hears_what_it_says_and_the_bot_answers() -> anyhow::Result<()> {
    let examples = built().await?;
    let chat = Chat::start(BINARY, &[]).await?;
    let server = format!("http://{}", chat.public());
    let hello = process::run(examples.join("hello"), &[&server], WITHIN).await?;
    ensure!(hello.output.contains("heard: Hello, world"), "{}", hello.output);

    let start = |example: &str, name: &str| {
        let mut command = Command::new(examples.join(example));
        command.args([name, "correct horse", &server]).stdout(Stdio::piped()).kill_on_drop(true).spawn()
    };
    let mut bot = start("echo_bot", "echo")?;
    let line = says(&mut bot, "echo is ").await?;
    let bot_id = line.rsplit(' ').next().context("it says who it is")?.parse()?;

    let login = Rest::new(&server).register("ada", "correct horse", "test").await?;
    let ada = Rest::new(&server).by(login.access_token);
    let mut tail = start("tail", "ada")?;
    says(&mut tail, "-- live").await?;
    let (kind, members, client_id) = (Kind::Group, vec![bot_id], minted());
    let room = ada.create(&NewConversation { kind, members, title: None, visibility: None, client_id }).await?;
    ada.send(room.conversation.id, minted(), "is anybody there?").await?;
    let answered = async {
        loop {
            let page = ada.messages(room.conversation.id, Seq::ZERO, 10).await?;
            if let [question, answer] = &page.items[..] {
                return anyhow::Ok((
                    question.by,
                    question.content.text.clone(),
                    answer.by,
                    answer.content.text.clone(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (asker, question, answerer, answer) = timeout(WITHIN, answered).await.context("no answer")??;
    assert_eq!((asker, answerer), (login.user.user.id, bot_id));
    assert_eq!(question, answer);
    Ok(())
}
