use std::net::IpAddr;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    limits: Limits,
}

fn rates(flags: &[&str]) -> Rates {
    Rates::new(&Flags::parse_from([&["gateway"], flags].concat()).limits)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn home() -> Address {
    IpAddr::from([198, 51, 100, 1]).into()
}

fn allowed(most: usize, mut ask: impl FnMut() -> Result<(), Fault>) -> usize {
    (0..most).take_while(|_| ask().is_ok()).count()
}

#[test]
fn the_defaults_are_those_of_the_specification() {
    let rates = rates(&[]);
    let (user, to) = (UserId::from_u128(1), ConversationId::from_u128(2));
    let most = 10_000;
    assert_eq!(allowed(most, || rates.request(user, at(0))), 100);
    assert_eq!(allowed(most, || rates.anonymous(home(), at(0))), 20);
    assert_eq!(allowed(most, || rates.log_in("alice", home(), at(0))), 10);
    assert_eq!(allowed(most, || rates.register(home(), at(0))), 10);
    assert_eq!(allowed(most, || rates.send(user, to, at(0))), 30);
    assert_eq!(allowed(most, || rates.sent_to(to, Kind::Group, at(0))), 100);
    assert_eq!(allowed(most, || rates.sent_to(to, Kind::Broadcast, at(0))), 200);
    assert_eq!(allowed(most, || rates.connect(home(), at(0)).map(drop)), 20);
    assert_eq!(allowed(most, || rates.hello(at(0))), 200);
    assert_eq!(allowed(most, || rates.resume(at(0))), 2_000);
    let other = UserId::from_u128(9);
    let mut to = 0;
    let everywhere = allowed(most, || {
        to += 1;
        rates.send(other, ConversationId::from_u128(to), at(0))
    });
    assert_eq!(everywhere, 60);
}

#[test]
fn many_names_from_one_address_are_one_guesser() {
    let rates = rates(&[]);
    let mut name = 0;
    let guesses = allowed(100, || {
        name += 1;
        rates.log_in(&format!("user-{name}"), home(), at(0))
    });
    assert_eq!(guesses, 30);
}

#[test]
fn a_refusal_names_the_bucket_and_when_to_come_back() {
    let rates = rates(&["--gateway-limit-sends", "1/10s"]);
    let send = || rates.send(UserId::from_u128(1), ConversationId::from_u128(2), at(0));
    send().unwrap();
    let refused = send().unwrap_err();
    assert_eq!((refused.code, refused.detail.as_str()), (ErrorCode::RateLimited, "send: at most 1/10s"));
    assert!(refused.retry_after_ms.is_some_and(|wait_ms| (10_000..=12_600).contains(&wait_ms)), "{refused:?}");
    let shed = allowed(1_000, || rates.hello(at(0)));
    assert_eq!((shed, rates.hello(at(0)).unwrap_err().code), (200, ErrorCode::Overloaded));
}

#[test]
fn a_dry_run_refuses_nobody() {
    for mode in ["dry-run", "off"] {
        let rates = rates(&["--gateway-limits", mode, "--gateway-sockets-per-address", "1"]);
        assert_eq!(allowed(1_000, || rates.anonymous(home(), at(0))), 1_000);
        let sockets: Vec<_> = (0..50).map(|_| rates.connect(home(), at(0)).unwrap()).collect();
        assert_eq!(sockets.len(), 50);
    }
}
