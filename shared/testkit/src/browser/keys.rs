//! Keys as a keyboard sends them.

use serde_json::{Value, json};

/// What the browser's tools call what is held down.
const HELD: [(&str, u8); 4] = [("Alt", 1), ("Ctrl", 2), ("Meta", 4), ("Shift", 8)];

/// Down and up of the last key of `A+B+C`, with the others held.
pub(super) fn events(chord: &str) -> [Value; 2] {
    let mut parts: Vec<&str> = chord.split('+').collect();
    let key = parts.pop().unwrap_or_default();
    let held: u8 = HELD.iter().filter(|(name, _)| parts.contains(name)).map(|(_, bit)| bit).sum();
    let (code, number, text) = of(key);
    ["keyDown", "keyUp"].map(|kind| {
        let mut event = json!({
            "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": held,
        });
        // Only what writes something has a text, and only without Ctrl.
        if let (Some(text), "keyDown", 0, Some(fields)) = (&text, kind, held & 0b111, event.as_object_mut()) {
            fields.insert("text".to_owned(), text.as_str().into());
        }
        event
    })
}

/// The key's place on the board, its number, and what it writes.
fn of(key: &str) -> (String, u32, Option<String>) {
    let named = |number, text: Option<&str>| (key.to_owned(), number, text.map(str::to_owned));
    match key {
        "Enter" => named(13, Some("\r")),
        "Escape" => named(27, None),
        "Delete" => named(46, None),
        "ArrowUp" => named(38, None),
        "ArrowDown" => named(40, None),
        "/" => ("Slash".to_owned(), 191, Some("/".to_owned())),
        letter => {
            let upper = letter.to_uppercase();
            (format!("Key{upper}"), upper.chars().next().map_or(0, u32::from), Some(letter.to_owned()))
        }
    }
}
