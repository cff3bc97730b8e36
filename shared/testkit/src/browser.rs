//! A real browser without a screen, and the tabs in it that people sit at.

mod devtools;
mod keys;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use devtools::{Devtools, Session};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::env;
use crate::leash::Leashed;

const START_WITHIN: Duration = Duration::from_secs(60);
/// What a page may take to become what a test waits for: it may be waiting for a server that starts.
const BECOMES_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks at a page: nobody can be told to call when an arbitrary condition comes true.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Chromium. Killed when dropped, and its profile goes too.
#[derive(Debug)]
pub struct Browser {
    devtools: Arc<Devtools>,
    pictures: PathBuf,
    _running: Leashed,
    _profile: TempDir,
}

impl Browser {
    /// Starts it. What a tab looked like when it disappointed is kept as a picture in `pictures`.
    ///
    /// # Errors
    /// If there is no Chromium, or it does not come up, with the end of its log.
    pub async fn start(pictures: impl AsRef<Path>) -> anyhow::Result<Self> {
        let profile = tempfile::Builder::new().prefix("chat-browser.").tempdir()?;
        let mut command = Command::new(env::tool("chromium")?);
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-background-timer-throttling", "--disable-renderer-backgrounding"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()));
        let mut running =
            Leashed::start("chromium", &mut command, &profile.path().join("chromium.log"), profile.path())?;
        let port_file = profile.path().join("DevToolsActivePort");
        let (port, path) = running.until(START_WITHIN, move || read_port(&port_file)).await?;
        let devtools = Devtools::connect(port, &path).await?;
        Ok(Self { devtools, pictures: pictures.as_ref().to_owned(), _running: running, _profile: profile })
    }

    /// A window of its own for somebody called `name`: nothing is shared with other tabs, no storage and no cache.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn tab(&self, name: &str) -> anyhow::Result<Tab> {
        let context = self.devtools.ask("Target.createBrowserContext", json!({})).await?;
        let window = json!({ "url": "about:blank", "browserContextId": context.get("browserContextId") });
        let target = self.devtools.ask("Target.createTarget", window).await?;
        let attach = json!({ "targetId": target.get("targetId"), "flatten": true });
        let attached = self.devtools.ask("Target.attachToTarget", attach).await?;
        let session = Session::new(Arc::clone(&self.devtools), word(&attached, "/sessionId")?);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            session.ask(domain, json!({})).await?;
        }
        Ok(Tab { name: name.to_owned(), session, pictures: self.pictures.clone() })
    }
}

/// One page, used as a person would: look, click, type.
#[derive(Debug)]
pub struct Tab {
    name: String,
    session: Session,
    pictures: PathBuf,
}

impl Tab {
    /// Goes to `url`, as typed into the address bar.
    ///
    /// # Errors
    /// If nothing is there.
    pub async fn go(&self, url: &str) -> anyhow::Result<()> {
        let gone = self.session.ask("Page.navigate", json!({ "url": url })).await?;
        ensure!(gone.get("errorText").is_none(), "{}: {url}: {gone}", self.name);
        self.until("document.readyState === 'complete'").await
    }

    /// What a JavaScript expression is on this page.
    ///
    /// # Errors
    /// If it throws, or is something else.
    pub async fn see<T: DeserializeOwned>(&self, expression: &str) -> anyhow::Result<T> {
        let question = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.session.ask("Runtime.evaluate", question).await?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            bail!("{}: {expression}: {thrown}", self.name);
        }
        let value = answer.pointer("/result/value").cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).with_context(|| format!("{}: {expression}", self.name))
    }

    /// Waits until a JavaScript expression is true.
    ///
    /// # Errors
    /// If it does not become so in time; a picture shows what was there instead.
    pub async fn until(&self, condition: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + BECOMES_WITHIN;
        loop {
            // A page on its way to another one has nothing to evaluate in.
            let seen = self.see::<bool>(condition).await;
            if matches!(seen, Ok(true)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let picture = self.picture().await.map_or_else(|err| err.to_string(), |at| at.display().to_string());
                bail!("{}: never: {condition} ({seen:?}); see {picture}", self.name);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Clicks on what a CSS selector finds, once it is there and can be clicked.
    ///
    /// # Errors
    /// If it does not come up.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        let found = quoted(selector);
        let act = "if (!it || it.disabled || !it.checkVisibility()) return false; it.click(); return true;";
        self.until(&format!("(() => {{ const it = document.querySelector({found}); {act} }})()")).await
    }

    /// Types into what a CSS selector finds, as from a keyboard.
    ///
    /// # Errors
    /// If it does not come up or cannot have the focus.
    pub async fn write(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let found = quoted(selector);
        let focus = "it?.focus(); return it !== null && document.activeElement === it;";
        self.until(&format!("(() => {{ const it = document.querySelector({found}); {focus} }})()")).await?;
        self.session.ask("Input.insertText", json!({ "text": text })).await?;
        Ok(())
    }

    /// Presses and releases keys together, as in `Ctrl+Shift+L`, `Enter` or `ArrowUp`.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn press(&self, chord: &str) -> anyhow::Result<()> {
        for event in keys::events(chord) {
            self.session.ask("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// What the person's system prefers, and how wide their window is.
    ///
    /// # Errors
    /// If the browser is gone.
    pub async fn is_shown(&self, dark: bool, width: u32) -> anyhow::Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.session.ask("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        let screen = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.session.ask("Emulation.setDeviceMetricsOverride", screen).await?;
        Ok(())
    }

    /// What went wrong inside the page so far: uncaught exceptions, and what its security policy refused.
    pub fn complaints(&self) -> Vec<String> {
        self.session.complaints()
    }

    /// Keeps what is to be seen, and says where.
    async fn picture(&self) -> anyhow::Result<PathBuf> {
        let answer = self.session.ask("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let picture = base64::engine::general_purpose::STANDARD.decode(word(&answer, "/data")?)?;
        // Tests run side by side, and each has an alice.
        let at = self.pictures.join(format!("{}-{}.png", self.name, self.session.id()));
        std::fs::write(&at, picture)?;
        Ok(at)
    }
}

/// Chromium writes where its tools connect: a port, then a path.
fn read_port(file: &Path) -> anyhow::Result<(u16, String)> {
    let text = std::fs::read_to_string(file).context("read the port of Chromium's tools")?;
    let (port, path) = text.trim().split_once('\n').context("two lines")?;
    Ok((port.parse()?, path.to_owned()))
}

/// The text at `pointer` of an answer.
fn word<'a>(answer: &'a Value, pointer: &str) -> anyhow::Result<&'a str> {
    answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {answer}"))
}

/// A text as a JavaScript string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
