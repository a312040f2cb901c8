//! The state machine exhaustively; the pipelines are held to it against a real server in the
//! integration tests.

use proptest::prelude::*;

use super::*;

const EVENTS: [Event; 17] = [
    Event::Claim,
    Event::Complete,
    Event::Reject,
    Event::Cancel,
    Event::Retry,
    Event::Fail { spent: false, cancelled: false },
    Event::Fail { spent: true, cancelled: false },
    Event::Fail { spent: false, cancelled: true },
    Event::Fail { spent: true, cancelled: true },
    Event::Expire { spent: false, cancelled: false },
    Event::Expire { spent: true, cancelled: false },
    Event::Expire { spent: false, cancelled: true },
    Event::Expire { spent: true, cancelled: true },
    Event::Release { cancelled: false },
    Event::Release { cancelled: true },
    Event::HandBack { cancelled: false },
    Event::HandBack { cancelled: true },
];

#[test]
fn every_state_and_event() {
    let table: Vec<String> = State::ALL
        .into_iter()
        .flat_map(|from| EVENTS.into_iter().map(move |event| (from, event)))
        .filter_map(|(from, event)| from.after(event).map(|to| format!("{from} {event:?} -> {to}")))
        .collect();
    let expected = [
        "ready Claim -> running",
        "ready Cancel -> cancelled",
        "running Complete -> completed",
        "running Reject -> dead",
        "running Cancel -> running",
        "running Fail { spent: false, cancelled: false } -> ready",
        "running Fail { spent: true, cancelled: false } -> dead",
        "running Fail { spent: false, cancelled: true } -> cancelled",
        "running Fail { spent: true, cancelled: true } -> cancelled",
        "running Expire { spent: false, cancelled: false } -> ready",
        "running Expire { spent: true, cancelled: false } -> dead",
        "running Expire { spent: false, cancelled: true } -> cancelled",
        "running Expire { spent: true, cancelled: true } -> cancelled",
        "running Release { cancelled: false } -> ready",
        "running Release { cancelled: true } -> cancelled",
        "running HandBack { cancelled: false } -> ready",
        "running HandBack { cancelled: true } -> cancelled",
        "dead Retry -> ready",
        "cancelled Retry -> ready",
    ];
    assert_eq!(table, expected);
}

proptest! {
    /// Any sequence of events: only a claim leads into `running`, only a retry out of a final
    /// state, and a completed job stays completed.
    #[test]
    fn any_sequence_keeps_the_invariants(events in prop::collection::vec(0..EVENTS.len(), 0..60)) {
        let mut state = State::Ready;
        for event in events.into_iter().map(|i| EVENTS[i]) {
            let Some(next) = state.after(event) else { continue };
            if next == State::Running && state != State::Running {
                prop_assert_eq!(event, Event::Claim);
            }
            if state.is_final() {
                prop_assert_eq!(event, Event::Retry);
                prop_assert_ne!(state, State::Completed);
            }
            if state == State::Running && event != Event::Cancel {
                prop_assert_ne!(next, State::Running);
            }
            state = next;
        }
    }

    #[test]
    fn cut_text_is_bounded_and_whole(text in "\\PC{0,300}", limit in 0_usize..200) {
        let cut = record::cut(&text, limit);
        prop_assert!(cut.len() <= limit.max(text.len()) + '…'.len_utf8());
        prop_assert!(text.len() > limit || cut == text);
    }
}

fn held_by(transition: &Transition) -> bool {
    transition.filter.contains_key("claim.token")
}

#[test]
fn every_write_after_a_claim_asks_for_the_token_and_names_the_queue() {
    let (token, id) = (Token::mint(), JobId::mint());
    let held = Held { queue: "q", token, id: &id };
    let ids = || vec![id.to_bson()];
    let payload = Payload::bytes("text/plain", "x");
    let fenced = [
        complete_and_remove("q", token, ids()),
        complete_and_keep(&held, Some(&payload), Duration::ZERO),
        fail(&held, "c", &Failure::new("m"), Duration::ZERO),
        release(&held, Duration::ZERO),
        hand_back("q", token, ids()),
        expire("q", token, ids(), "c"),
        progress(&held, &Progress::default()),
        save(&held, &payload),
    ];
    for transition in fenced {
        assert!(held_by(&transition), "{transition:?}");
        assert_eq!(transition.filter.get_str("queue").ok(), Some("q"), "{transition:?}");
    }
}
