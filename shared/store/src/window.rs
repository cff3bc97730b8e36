//! Which partition holds a position, and how wide the next one is. Pure.
