//! The compose file: taken by the reader of compose files, and right in what that cannot know.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use chat_testkit::program::tool;
use serde_json::Value;

use super::files::{self, prints};

#[test]
fn the_whole_cluster_of_the_compose_file_is_what_it_says() -> anyhow::Result<()> {
    let folder = files::root().join("deploy");
    let mut reader = Command::new(tool("compose")?);
    reader.current_dir(&folder).args(["-no-interpolation", "-no-path-resolution", "-format", "json", "compose.yaml"]);
    let read: Value = serde_json::from_str(&prints(&mut reader)?)?;
    let services = read["services"].as_object().context("services")?;
    let count = |prefix: &str| services.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((count("nats-"), count("scylla-"), count("gateway-")), (3, 3, 3));
    assert_eq!((count("persister-"), count("presence-")), (2, 2));

    let text = files::text("deploy/compose.yaml")?;
    let unknown = files::unknown_settings(&text)?;
    ensure!(unknown.is_empty(), "settings that do not exist: {unknown:?}");
    let example = files::text("deploy/compose.env.example")?;
    for secret in text.split("${").skip(1).filter_map(|rest| rest.split(':').next()) {
        ensure!(example.lines().any(|line| line == format!("{secret}=")), "{secret} is not in compose.env.example");
    }
    services.iter().try_for_each(|(name, service)| right(name, service, &folder).with_context(|| name.clone()))
}

fn right(name: &str, service: &Value, folder: &Path) -> anyhow::Result<()> {
    let image = service["image"].as_str().context("an image")?;
    ensure!(image.split_once(':').is_some_and(|(_, tag)| tag != "latest"), "{image} is not pinned");
    for volume in service["volumes"].as_array().into_iter().flatten().filter(|volume| volume["type"] == "bind") {
        let source = volume["source"].as_str().context("a source")?;
        ensure!(folder.join(source).exists(), "{source} does not exist");
        ensure!(volume["read_only"] == true, "{source} may be written");
    }
    for port in service["ports"].as_array().into_iter().flatten() {
        ensure!(port["host_ip"] == "127.0.0.1", "everybody on the network reaches {port}");
    }
    if image.starts_with("chat:") {
        ensure!(service["read_only"] == true && service["cap_drop"][0] == "ALL", "it may more than it needs");
        let environment = &service["environment"];
        let user = environment["CHAT_LOG_USER"].as_str();
        ensure!(user.is_none_or(|user| name.starts_with(user)), "it signs in to the log as {user:?}");
    }
    Ok(())
}
