//! The generator and the raw server as two processes: all that is offered arrives once.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_small_fan_out_loses_and_doubles_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_chat-loadtest"))
        .args(["--server-core", "0", "--core", "0"])
        .args(["raw", "fan", "--layout", "3x4@200", "--copies", "2", "--runs", "1", "--warm-up", "0", "--window", "1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let json: Value = serde_json::from_str(text.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
    let row = &json["rows"][0];
    assert_eq!(
        (row["layout"].as_str(), row["lost"].as_u64(), row["doubled"].as_u64()),
        (Some("3x4@200"), Some(0), Some(0))
    );
    let frames_per_second = row["frames/s"].as_f64().unwrap();
    assert!((1000.0..1700.0).contains(&frames_per_second), "200 messages × 4 sockets × 2 copies: {frames_per_second}");
}
