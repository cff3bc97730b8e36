//! The raw idle server holds what is opened: its memory grows with the sockets.

use std::process::Command;

use serde_json::Value;

#[test]
fn an_idle_socket_costs_some_bytes_and_not_many() {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-loadtest"))
        .args(["--server-core", "0", "--core", "0", "raw", "idle", "--sizes", "200,1200,2200"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let json: Value = serde_json::from_str(text.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let bytes = json["rows"][0]["resident_bytes/socket"].as_f64().unwrap();
    assert!((200.0..10_000.0).contains(&bytes), "{bytes} bytes a socket");
}
