//! How many rooms, how many sockets in each, how many messages per second.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, ensure};

/// `500x10@1000`: 500 rooms of 10 sockets, 1,000 messages per second over all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Rooms.
    pub rooms: usize,
    /// Sockets in each.
    pub members: usize,
    /// Messages per second over all rooms.
    pub rate: f64,
}

impl Layout {
    /// Sockets over all rooms.
    pub fn sockets(self) -> usize {
        self.rooms * self.members
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}@{}", self.rooms, self.members, self.rate)
    }
}

impl FromStr for Layout {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let shape = "a layout is ROOMSxMEMBERS@RATE, such as 500x10@1000";
        let (rooms, rest) = text.split_once('x').context(shape)?;
        let (members, rate) = rest.split_once('@').context(shape)?;
        let layout = Self {
            rooms: rooms.parse().context(shape)?,
            members: members.parse().context(shape)?,
            rate: rate.parse().context(shape)?,
        };
        ensure!(layout.rooms > 0 && layout.members > 0 && layout.rate > 0.0 && layout.rate <= 1e6, shape);
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_prints_as_it_is_read() {
        let layout: Layout = "500x10@1000".parse().unwrap();
        assert_eq!((layout.sockets(), layout.rate, layout.to_string().as_str()), (5000, 1000.0, "500x10@1000"));
        for bad in ["", "5", "5x", "5x5", "0x1@1", "1x1@0", "axb@c", "1x1@NaN"] {
            assert!(bad.parse::<Layout>().is_err(), "{bad}");
        }
    }
}
