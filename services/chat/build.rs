//! Says of which commit a release is: what the builder names in `CHAT_COMMIT`, else what git says here.

#![expect(clippy::disallowed_methods, reason = "a build has no configuration but its environment")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=CHAT_COMMIT");
    let named = std::env::var("CHAT_COMMIT").ok().filter(|commit| !commit.is_empty() && commit != "unknown");
    // Only for releases: everybody else's build would be anew with every commit.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = named.or_else(|| if release { of_git() } else { None }).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=CHAT_COMMIT={commit}");
}

fn of_git() -> Option<String> {
    let git = |args: &[&str]| {
        let said = Command::new("git").args(args).output().ok().filter(|said| said.status.success())?;
        Some(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    println!("cargo::rerun-if-changed={}", git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"])?);
    git(&["rev-parse", "--short=12", "HEAD"])
}
