//! The image, without a container engine: its steps are run, and what they make runs alone, as nobody, read-only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use chat_testkit::play::Play;
use chat_testkit::process::Chat;

use super::files::{self, prints};
use super::world::BINARY;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_holds_runs_alone_as_nobody_and_writes_only_its_data() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("root");
    prints(Command::new(files::root().join("deploy/image/assemble")).arg(BINARY).arg(&root))?;
    let inside = contained(dir.path(), &root)?;

    let chat = Chat::start(&inside, &["all", "--data-dir", "/data"]).await?;
    let play = Play::at([chat.public()]);
    let (alice, bob) = (play.user("alice").await?, play.user("bob").await?);
    let room = play.room(&[&alice, &bob]).await?;
    alice.says(&room, "from a bare root").await?;
    bob.hears("from a bare root").await?;

    let ops = chat.ops().to_string();
    for question in ["live", "ready", "started"] {
        prints(Command::new(&inside).args(["health", question, "--ops-listen", &ops]))?;
    }
    let dead = Command::new(&inside).args(["health", "--ops-listen", "127.0.0.1:1"]).output()?;
    ensure!(!dead.status.success(), "nobody is there");

    let foreign = Command::new(&inside).args(["all", "--data-dir", "/elsewhere"]).output()?;
    ensure!(!foreign.status.success(), "the root is read-only");
    Ok(())
}

/// A program that runs the binary of the image as an engine would: nothing but its root, which is read-only, an empty
/// volume at /data, and a user who is nobody. Who is not root is nobody else in there.
fn contained(dir: &Path, root: &Path) -> anyhow::Result<PathBuf> {
    let program = dir.join("contained");
    let script = format!(
        r#"#!/bin/sh
root='{root}'
if [ "$(id -u)" -eq 0 ]; then as="--userspec=65532:65532" map=""; else as="" map="--map-root-user"; fi
export root as
# shellcheck disable=SC2086 # none or one word
exec unshare $map --mount sh -ceu '
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    if [ -n "$as" ]; then mount -t tmpfs -o uid=65532,gid=65532,mode=0700 data "$root/data"; else mount -t tmpfs data "$root/data"; fi
    exec chroot $as "$root" /usr/local/bin/chat "$@"
' sh "$@"
"#,
        root = root.display()
    );
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    Ok(program)
}

#[test]
fn what_an_image_is_built_from_is_a_whole_workspace() -> anyhow::Result<()> {
    let context = tempfile::tempdir()?;
    let wanted = files::text(".dockerignore")?;
    let mut lines = wanted.lines().filter(|line| !line.starts_with('#'));
    ensure!(lines.next() == Some("*"), "it begins with nothing");
    for line in lines {
        let path = line.strip_prefix('!').with_context(|| format!("{line} takes away what is needed"))?;
        let to = context.path().join(path);
        std::fs::create_dir_all(to.parent().context("a folder")?)?;
        prints(Command::new("cp").arg("-r").arg(files::root().join(path)).arg(&to))?;
    }
    // As the compiler's stage does, short of compiling: every crate is there.
    let mut cargo = Command::new("cargo");
    cargo.current_dir(context.path()).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata = prints(&mut cargo)?;
    ensure!(metadata.contains(r#""name":"chat-gateway""#), "the gateway is not built");
    Ok(())
}

#[test]
fn every_step_of_the_dockerfile_is_a_script_and_every_setting_exists() -> anyhow::Result<()> {
    let dockerfile = files::text("deploy/Dockerfile")?;
    let words = |instruction: &str| -> Vec<String> {
        let lines = dockerfile.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
        lines.map(str::to_owned).collect()
    };
    let steps = words("RUN");
    ensure!(steps.len() == 2, "{steps:?}");
    for step in &steps {
        let script = files::root().join(step.split(' ').next().unwrap_or_default());
        let mode = std::fs::metadata(&script).with_context(|| step.clone())?.permissions().mode();
        ensure!(mode & 0o111 != 0, "{step} cannot be run");
        prints(Command::new("sh").arg("-n").arg(&script))?;
    }
    ensure!(files::unknown_settings(&dockerfile)? == ["CHAT_COMMIT"], "settings that do not exist");
    ensure!(words("USER") == ["65532:65532"] && words("EXPOSE") == ["8080 9090"]);

    let toolchain = files::text("rust-toolchain.toml")?;
    let channel = toolchain.split('"').nth(1).context("a channel")?;
    let compiler = words("FROM").iter().find_map(|from| from.strip_prefix("rust:").map(str::to_owned));
    let compiler = compiler.context("it is built from the image of a compiler")?;
    let version = compiler.split('-').next().unwrap_or_default();
    ensure!(channel.starts_with(version), "the image compiles with {version}, everybody else with {channel}");
    Ok(())
}
