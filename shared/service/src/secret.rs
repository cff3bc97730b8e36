//! A value that may be used but not shown.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A password, key or token. `Debug`, `Display` and `Serialize` show [`MASK`]; only [`Secret::reveal`] gives the value.
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl FromStr for Secret<String> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_itself_nowhere() {
        #[derive(Debug, Serialize)]
        struct Login {
            password: Secret<String>,
        }
        let login = Login { password: Secret::new("hunter2".to_owned()) };

        assert_eq!(format!("{login:?}"), "Login { password: *** }");
        assert_eq!(login.password.to_string(), "***");
        assert_eq!(serde_json::to_string(&login).unwrap(), r#"{"password":"***"}"#);
        assert_eq!(login.password.reveal(), "hunter2");
    }
}
