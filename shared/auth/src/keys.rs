//! The secrets of a cluster: one document, made by `chat token keys` or by the one-process default, the same on every
//! node.
//!
//! Each purpose has three keys: `current` signs, `next` is already trusted everywhere, `previous` still is. So one
//! rotation (`previous ← current ← next ← new`) is safe at any moment, as long as two of them lie further apart than a
//! roll-out and the longest token's life.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};

/// The file inside a data directory.
pub const FILE_NAME: &str = "keys.json";

const VERSION: u32 = 1;

/// What access tokens and resume tokens are signed with. Never printed except by [`Keys::document`].
#[derive(Clone)]
pub struct Keys {
    pub(crate) access: Ring,
    pub(crate) resume: Ring,
}

/// 256 bits: an Ed25519 seed, or an HMAC key.
pub(crate) type Key = [u8; 32];

/// The keys of one purpose.
#[derive(Clone)]
pub(crate) struct Ring {
    pub current: Key,
    pub next: Key,
    pub previous: Option<Key>,
}

/// Why there are no keys. The text never holds one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The document is none of ours.
    #[error("not a key document: {0}")]
    Malformed(&'static str),
    /// The file cannot be read or written.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Keys {
    /// Fresh keys.
    pub fn generate(rng: &mut (impl Rng + CryptoRng)) -> Self {
        Self { access: Ring::generate(rng), resume: Ring::generate(rng) }
    }

    /// The keys after one rotation.
    #[must_use]
    pub fn rotated(&self, rng: &mut (impl Rng + CryptoRng)) -> Self {
        Self { access: self.access.rotated(rng), resume: self.resume.rotated(rng) }
    }

    /// Reads a document, as it stands in a file or in an environment variable.
    ///
    /// # Errors
    /// [`KeyError::Malformed`], without any of the text.
    pub fn parse(document: &str) -> Result<Self, KeyError> {
        let document: Document = serde_json::from_str(document)
            .map_err(|_| KeyError::Malformed("want JSON with version, access and resume, each key as base64"))?;
        if document.version != VERSION {
            return Err(KeyError::Malformed("unknown version"));
        }
        Ok(Self { access: document.access.try_into()?, resume: document.resume.try_into()? })
    }

    /// The document. It is a secret.
    pub fn document(&self) -> String {
        let document = Document { version: VERSION, access: (&self.access).into(), resume: (&self.resume).into() };
        let mut text = serde_json::to_string_pretty(&document).expect("strings and numbers always serialise");
        text.push('\n');
        text
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError`] if it is missing, unreadable or no key document.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let document = fs::read_to_string(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        Self::parse(&document)
    }

    /// Reads the keys of a data directory; makes them on the first start.
    ///
    /// # Errors
    /// [`KeyError`]; a file that is there but unreadable is never replaced.
    pub fn open_or_create(directory: &Path, rng: &mut (impl Rng + CryptoRng)) -> Result<Self, KeyError> {
        let path = directory.join(FILE_NAME);
        match Self::read(&path) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let keys = Self::generate(rng);
                keys.write(&path)?;
                Ok(keys)
            }
            read => read,
        }
    }

    /// Writes the key file: for its owner only, all of it or nothing, on disk when this returns.
    ///
    /// # Errors
    /// [`KeyError::Io`]; the old file is then untouched.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        replace(path, self.document().as_bytes()).map_err(|source| KeyError::Io { path: path.to_owned(), source })
    }
}

impl Ring {
    fn generate(rng: &mut (impl Rng + CryptoRng)) -> Self {
        Self { current: rng.random(), next: rng.random(), previous: None }
    }

    fn rotated(&self, rng: &mut (impl Rng + CryptoRng)) -> Self {
        Self { current: self.next, next: rng.random(), previous: Some(self.current) }
    }

    /// All that are trusted, the most likely first.
    pub(crate) fn trusted(&self) -> impl Iterator<Item = &Key> {
        [Some(&self.current), self.previous.as_ref(), Some(&self.next)].into_iter().flatten()
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(directory)?.sync_all()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    access: RingText,
    resume: RingText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingText {
    current: String,
    next: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

impl From<&Ring> for RingText {
    fn from(ring: &Ring) -> Self {
        Self {
            current: STANDARD.encode(ring.current),
            next: STANDARD.encode(ring.next),
            previous: ring.previous.map(|key| STANDARD.encode(key)),
        }
    }
}

impl TryFrom<RingText> for Ring {
    type Error = KeyError;

    fn try_from(text: RingText) -> Result<Self, KeyError> {
        let key = |text: &str| -> Result<Key, KeyError> {
            let bytes = STANDARD.decode(text).map_err(|_| KeyError::Malformed("a key is not base64"))?;
            bytes.try_into().map_err(|_| KeyError::Malformed("a key is not 32 bytes"))
        };
        Ok(Self {
            current: key(&text.current)?,
            next: key(&text.next)?,
            previous: text.previous.as_deref().map(key).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_first_start_makes_keys_and_later_ones_find_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let made = Keys::open_or_create(directory.path(), &mut rng).unwrap();
        let found = Keys::open_or_create(directory.path(), &mut rng).unwrap();
        assert_eq!(made.document(), found.document());

        let mode = fs::metadata(directory.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, "{\"version\":1").unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        assert!(matches!(Keys::open_or_create(directory.path(), &mut rng), Err(KeyError::Malformed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"version\":1");
    }

    #[test]
    fn rotation_shifts_the_ring() {
        let mut rng = StdRng::seed_from_u64(1);
        let before = Keys::generate(&mut rng);
        let after = before.rotated(&mut rng);
        assert_eq!(after.access.previous, Some(before.access.current));
        assert_eq!(after.access.current, before.access.next);
        assert!(before.access.trusted().all(|key| *key != after.access.next));
    }

    #[test]
    fn errors_never_quote_the_document() {
        let secret = "c2VjcmV0c2VjcmV0";
        let document = format!(r#"{{"version":1,"access":{{"current":"{secret}","next":"{secret}"}},"resume":5}}"#);
        for document in [document.clone(), document.replace("5}", &format!(r#"{{"current":"{secret}","next":"!"}}}}"#))]
        {
            let error = Keys::parse(&document).err().unwrap().to_string();
            assert!(!error.contains(secret), "{error}");
        }
    }
}
