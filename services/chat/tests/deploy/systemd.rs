//! The units: systemd understands them, and they start what exists.

use std::process::Command;

use anyhow::{Context, ensure};

use super::files::{self, prints};
use super::world::BINARY;

/// Of 10 (nothing is forbidden); what systemd calls OK ends at 4.
const EXPOSURE_MAX: &str = "20";

#[test]
fn systemd_takes_every_unit_and_finds_little_exposed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut units = Vec::new();
    for unit in files::of("deploy/systemd")? {
        let text = std::fs::read_to_string(&unit)?;
        let starts = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/chat "))
            .context("it starts chat")?;
        prints(Command::new(BINARY).args([starts, "--help"]))?;
        let unknown = files::unknown_settings(&text)?;
        ensure!(unknown.is_empty(), "{}: settings that do not exist: {unknown:?}", unit.display());
        let copy = dir.path().join(unit.file_name().context("a name")?);
        std::fs::write(&copy, text.replace("/usr/local/bin/chat", BINARY))?;
        units.push(copy);
    }
    ensure!(units.len() >= 4, "{units:?}");
    prints(Command::new("systemd-analyze").arg("verify").args(&units))?;
    for unit in &units {
        prints(
            Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold", EXPOSURE_MAX]).arg(unit),
        )?;
    }
    Ok(())
}
