//! Open files: every socket is one.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. What cannot be raised stays; the gateway's admission follows
/// whatever the limit is.
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(err) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error = %err, "file limit not raised");
    }
}

/// How many files may be open at once; `None` = any number.
pub fn file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
