# check     formatting and lints
# test      everything a change must pass, on real servers
# bench     the first figures
# generate  the files that are derived from code
# tools     what tests need beyond Rust, once, into .tools

.PHONY: check test bench generate tools

export CHAT_TOOLS ?= $(CURDIR)/.tools

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: tools check
	shared/testkit/tools/with-cql cargo test --workspace --locked

bench: tools
	cargo build --release --locked -p chat -p chat-loadtest
	shared/testkit/tools/with-cql target/release/chat-loadtest bench

generate:
	cargo run --locked -p chat -- config --docs > docs/configuration.md
	cargo run --locked -p chat -- openapi > docs/openapi.json
	cargo run --locked -p chat -- metrics > docs/metrics.md

tools:
	shared/testkit/tools/fetch
