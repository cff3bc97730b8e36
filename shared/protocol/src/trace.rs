//! Where a trace goes on in another process: W3C's `traceparent`.

use std::{fmt, str::FromStr};

/// A trace and the span in it that goes on here. Only what is recorded is passed on, so the flag says always "sampled".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace: u128,
    /// The span; never zero.
    pub span: u64,
}

/// Not a `traceparent`, or one that says "not recorded".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no recorded trace")]
pub struct NotTraced;

const SAMPLED: u8 = 1;

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{SAMPLED:02x}", self.trace, self.span)
    }
}

impl FromStr for TraceParent {
    type Err = NotTraced;

    /// Later versions may have more behind; what version 00 has is where it was.
    fn from_str(text: &str) -> Result<Self, NotTraced> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let lower = part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            lower.then(|| u128::from_str_radix(part, 16).ok()).flatten()
        };
        let all = (hex(2), hex(32), hex(16), hex(2));
        let (Some(version), Some(trace), Some(span), Some(flags)) = all else { return Err(NotTraced) };
        let more = parts.next().is_some();
        let span = u64::try_from(span).map_err(|_| NotTraced)?;
        let known = version != 0xff && !(version == 0 && more);
        let sampled = flags & u128::from(SAMPLED) != 0;
        if known && sampled && trace != 0 && span != 0 { Ok(Self { trace, span }) } else { Err(NotTraced) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_w3c_has_it() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent { trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, span: 0x00f0_67aa_0ba9_02b7 };
        assert_eq!(text.parse(), Ok(parent));
        assert_eq!(parent.to_string(), text);
        assert_eq!("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later".parse(), Ok(parent));
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-+bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(NotTraced), "{text}");
        }
    }
}
