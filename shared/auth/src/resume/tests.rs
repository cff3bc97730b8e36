use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_795_132_800_000);

fn keys(seed: u64) -> Keys {
    Keys::generate(&mut StdRng::seed_from_u64(seed))
}

fn sealer() -> ResumeSealer {
    ResumeSealer::new(&keys(1))
}

fn state(follows: usize, shards: u16) -> ResumeState {
    let follows = (0..follows as u128).map(|n| ConversationId::from_u128(u128::MAX - n)).collect();
    let settled = (0..shards).map(|shard| (Shard::new(shard).unwrap(), Seq::MAX)).collect();
    ResumeState {
        user: UserId::from_u128(1),
        session: SessionId::from_u128(2),
        device: "pixel-9".into(),
        token_issued_at: NOW,
        token_expires_at: NOW.plus_ms(900_000),
        follow: FollowMode::Auto,
        want: WANTS.to_vec(),
        follows,
        settled,
    }
}

fn any_state() -> impl Strategy<Value = ResumeState> {
    let ids = (any::<u128>(), any::<u128>(), ".{0,64}");
    let times = (0..=Timestamp::MAX.as_ms(), 0..=Timestamp::MAX.as_ms());
    let wishes = (any::<bool>(), proptest::sample::subsequence(WANTS.to_vec(), 0..=3));
    let follows = proptest::collection::vec(any::<u128>(), 0..40);
    let settled = proptest::collection::btree_map(0..Shard::COUNT_MAX, 0..=Seq::MAX.get(), 0..20);
    (ids, times, wishes, follows, settled).prop_map(
        |((user, session, device), (issued, expires), (auto, want), follows, settled)| ResumeState {
            user: UserId::from_u128(user),
            session: SessionId::from_u128(session),
            device,
            token_issued_at: Timestamp::from_ms(issued),
            token_expires_at: Timestamp::from_ms(expires),
            follow: if auto { FollowMode::Auto } else { FollowMode::None },
            want,
            follows: follows.into_iter().map(ConversationId::from_u128).collect(),
            settled: settled
                .into_iter()
                .map(|(shard, seq)| (Shard::new(shard).unwrap(), Seq::new(seq).unwrap()))
                .collect(),
        },
    )
}

proptest! {
    #[test]
    fn opens_to_what_was_sealed(state in any_state()) {
        let (token, expires_at) = sealer().seal(&state, NOW);
        prop_assert_eq!(sealer().open(token.expose(), NOW), Ok(state));
        prop_assert_eq!(expires_at, NOW.plus_ms(3_600_000));
    }

    #[test]
    fn any_flipped_bit_is_refused(state in any_state(), place in any::<proptest::sample::Index>(), bit in 0..8_u32) {
        let (token, _) = sealer().seal(&state, NOW);
        let mut bytes = URL_SAFE_NO_PAD.decode(token.expose().strip_prefix(PREFIX).unwrap()).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        prop_assert_eq!(sealer().open(&forged, NOW), Err(ResumeError::Refused));
    }

    #[test]
    fn any_changed_character_is_refused(place in any::<proptest::sample::Index>(), other in "[ -~]") {
        let (token, _) = sealer().seal(&state(3, 2), NOW);
        let mut text = token.expose().to_owned();
        let place = place.index(text.len());
        prop_assume!(text[place..=place] != other);
        text.replace_range(place..=place, &other);
        prop_assert_eq!(sealer().open(&text, NOW), Err(ResumeError::Refused));
    }

    #[test]
    fn nothing_that_is_no_token_opens(text in "(r1\\.)?[A-Za-z0-9_-]{0,200}") {
        prop_assert_eq!(sealer().open(&text, NOW), Err(ResumeError::Refused));
    }

    #[test]
    fn reading_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        wire::read(&bytes);
    }
}

#[test]
fn a_full_one_stays_within_its_bound() {
    let (token, _) = sealer().seal(&state(500, Shard::COUNT_MAX), NOW);
    assert!(token.expose().len() <= TOKEN_BYTES_MAX, "{}", token.expose().len());
    assert!(sealer().open(token.expose(), NOW).is_ok());

    let (token, _) = sealer().seal(&state(500, 16), NOW);
    assert!(token.expose().len() < 11_300, "{}", token.expose().len());
}

#[test]
fn it_ends_after_an_hour() {
    let (token, expires_at) = sealer().seal(&state(1, 1), NOW);
    assert!(sealer().open(token.expose(), expires_at.plus_ms(-1)).is_ok());
    assert_eq!(sealer().open(token.expose(), expires_at), Err(ResumeError::Expired));
}

#[test]
fn rotated_keys_open_it_until_they_leave_the_ring() {
    let mut rng = StdRng::seed_from_u64(9);
    let first = keys(1);
    let second = first.rotated(&mut rng);
    let third = second.rotated(&mut rng);
    let (token, _) = ResumeSealer::new(&first).seal(&state(1, 1), NOW);
    let (early, _) = ResumeSealer::new(&second).seal(&state(1, 1), NOW);

    assert!(ResumeSealer::new(&second).open(token.expose(), NOW).is_ok());
    assert!(ResumeSealer::new(&first).open(early.expose(), NOW).is_ok(), "a node that is not rolled yet");
    assert_eq!(ResumeSealer::new(&third).open(token.expose(), NOW), Err(ResumeError::Refused));
    assert_eq!(ResumeSealer::new(&keys(2)).open(token.expose(), NOW), Err(ResumeError::Refused));
}
