# check     formatting and lints
# test      everything a change must pass, on real servers
# rolling   three gateways replaced one after the other, three times, while 200 clients talk
# chaos     every fault as often as the fault matrix has it, and an earlier version (PREVIOUS=commit) beside this one
# bench     the first figures
# generate  the files that are derived from code
# tools     what tests need beyond Rust, once, into .tools

.PHONY: check test rolling chaos bench generate tools

export CHAT_TOOLS ?= $(CURDIR)/.tools

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

test: tools check
	shared/testkit/tools/with-cql cargo test --workspace --locked

rolling: tools
	CHAT_CHAOS=1 $(plays) --test rolling -- --nocapture

PREVIOUS ?= HEAD~1
chaos: tools
	shared/testkit/tools/previous $(PREVIOUS)
	CHAT_CHAOS=1 CHAT_PREVIOUS=$(CHAT_TOOLS)/previous/chat $(plays) --test chaos -- --nocapture --include-ignored --test-threads 1
	CHAT_CHAOS=1 $(plays) --test rolling --test storm --test idle -- --nocapture

plays = shared/testkit/tools/with-cql cargo test --locked -p chat

bench: tools
	cargo build --release --locked -p chat -p chat-loadtest
	shared/testkit/tools/with-cql target/release/chat-loadtest bench

generate:
	cargo run --locked -p chat -- config --docs > docs/configuration.md
	cargo run --locked -p chat -- openapi > docs/openapi.json
	cargo run --locked -p chat -- metrics > docs/metrics.md

tools:
	shared/testkit/tools/fetch
