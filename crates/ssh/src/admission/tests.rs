use super::*;
use core::net::Ipv4Addr;
use proptest::prelude::*;

const LIMITS: AdmissionLimits = AdmissionLimits::new(10);
const BURST: usize = LIMITS.per_source + LIMITS.burst;

fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

fn logged_in_from(address: IpAddr) -> Admission {
    let mut admission = Admission::new(LIMITS);
    let ticket = admission.admit(address, 0, 0).unwrap().ticket;
    assert!(admission.log_in(ticket, true));
    admission.leave(ticket, 0, None);
    admission
}

#[test]
fn a_burst_from_one_address_is_let_in_whole() {
    let mut admission = Admission::new(LIMITS);
    for _ in 0..8 {
        let admitted = admission.admit(address(1), 0, 0).unwrap();
        assert_eq!(admitted.evicted, []);
    }
}

#[test]
fn a_login_gets_in_beside_silent_ones_of_the_same_address() {
    for random in [0, 8, u32::MAX] {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..500 {
            let _ = admission.admit(address(1), 0, random);
        }
        assert!((LIMITS.early..=BURST).contains(&admission.counts().0));
        let login = admission.admit(address(1), 0, random).unwrap();
        assert_eq!(login.evicted.len(), 1);
        // The next ones push silent ones out before one that has keys.
        admission.reach(login.ticket, Stage::HasKeys);
        for _ in 0..500 {
            let next = admission.admit(address(1), 0, random).unwrap();
            assert!(!next.evicted.contains(&login.ticket));
        }
        assert!(admission.log_in(login.ticket, false));
    }
}

#[test]
fn who_has_greeted_stays_beside_silent_ones() {
    for random in [0, 8, u32::MAX] {
        let mut admission = Admission::new(LIMITS);
        for _ in 0..12 {
            let _ = admission.admit(address(1), 0, random);
        }
        let mut now = LIMITS.greet_ms;
        let login = admission.admit(address(1), now, random).unwrap();
        admission.reach(login.ticket, Stage::Greeted);
        // Until it is old itself, whoever comes.
        while now < LIMITS.burst_ms {
            let next = admission.admit(address(1), now, random).unwrap();
            assert!(!next.evicted.contains(&login.ticket));
            now += LIMITS.greet_ms / 4;
        }
        assert!(admission.log_in(login.ticket, false));
    }
}

#[test]
fn the_old_ones_of_an_address_shrink_to_its_share() {
    let mut admission = Admission::new(LIMITS);
    for _ in 0..8 {
        admission.admit(address(1), 0, 0).unwrap();
    }
    let later = admission.admit(address(1), LIMITS.burst_ms, 0).unwrap();
    assert_eq!(later.evicted, (0..5).map(Ticket).collect::<Vec<_>>());
    assert_eq!(admission.counts().0, LIMITS.per_source);
}

#[test]
fn failing_restricts_an_address_until_time_or_a_login_heals_it() {
    let mut admission = Admission::new(LIMITS);
    for _ in 0..4 {
        let ticket = admission.admit(address(1), 0, 0).unwrap().ticket;
        admission.leave(ticket, 0, Some(Offence::Failed));
    }
    admission.admit(address(1), 0, 0).unwrap();
    let second = admission.admit(address(1), 0, 0).unwrap();
    assert_eq!(second.evicted.len(), 1);
    // Others have their share, and the penalty ends.
    assert_eq!(admission.admit(address(2), 0, 0).unwrap().evicted, []);
    let late = admission.admit(address(1), 4_999, 0).unwrap();
    assert_eq!(late.evicted, [second.ticket]);
    assert_eq!(admission.admit(address(1), 5_000, 0).unwrap().evicted, []);
    let mut admission = logged_in_from(address(1));
    for _ in 0..40 {
        let ticket = admission.admit(address(1), 0, 0).unwrap().ticket;
        admission.leave(ticket, 0, Some(Offence::Failed));
    }
    for _ in 0..4 {
        assert_eq!(admission.admit(address(1), 0, 0).unwrap().evicted, []);
    }
}

#[test]
fn sessions_are_counted_apart_and_some_are_the_operator_s() {
    let mut admission = Admission::new(LIMITS);
    let mut log_in = |is_operator| {
        let ticket = admission.admit(address(1), 0, 0).unwrap().ticket;
        let is_in = admission.log_in(ticket, is_operator);
        if !is_in {
            admission.leave(ticket, 0, None);
        }
        is_in
    };
    assert!((0..8).all(|_| log_in(false)));
    assert!(!log_in(false));
    assert!(log_in(true) && log_in(true) && !log_in(true));
    assert_eq!(admission.counts(), (0, 10));
}

#[derive(Clone, Debug)]
enum Step {
    Come(u8, u32),
    Reach(usize, Stage),
    LogIn(usize, bool),
    Leave(usize, Option<Offence>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let offence = prop::sample::select(alloc::vec![
        None,
        Some(Offence::Idle),
        Some(Offence::Failed)
    ]);
    let stages = prop::sample::select(alloc::vec![Stage::Greeted, Stage::HasKeys]);
    prop_oneof![
        8 => (0u8..30, any::<u32>()).prop_map(|(from, random)| Step::Come(from, random)),
        8 => (0u8..2, any::<u32>()).prop_map(|(from, random)| Step::Come(from, random)),
        3 => (0usize..20, stages).prop_map(|(index, stage)| Step::Reach(index, stage)),
        1 => (0usize..20, any::<bool>()).prop_map(|(index, root)| Step::LogIn(index, root)),
        2 => (0usize..20, offence).prop_map(|(index, offence)| Step::Leave(index, offence)),
        2 => (0u64..8_000).prop_map(Step::Wait),
    ]
}

/// One arrival, and what must hold of it.
fn come(
    admission: &mut Admission,
    from: u8,
    now: u64,
    random: u32,
    live: &mut Vec<Ticket>,
) -> Result<(), TestCaseError> {
    let source = Source::of(address(from));
    let is_known = admission.is_remembered(source);
    let before = admission.pending.clone();
    let admitted = match admission.admit(address(from), now, random) {
        Ok(admitted) => admitted,
        Err(TurnedAway) => {
            prop_assert!(!is_known && before.len() >= LIMITS.early);
            // Nobody is turned away for one source that has most of the pool.
            let own = before.iter().filter(|one| one.source == source).count();
            for one in before
                .iter()
                .filter(|one| !admission.is_remembered(one.source))
            {
                let count = before
                    .iter()
                    .filter(|other| other.source == one.source)
                    .count();
                prop_assert!(count <= own + 1);
            }
            return Ok(());
        }
    };
    for ticket in &admitted.evicted {
        let victim = before.iter().find(|one| one.ticket == *ticket);
        let victim = victim.expect("a connection that was there");
        prop_assert!(
            is_known || victim.source == source || !admission.is_remembered(victim.source)
        );
        live.retain(|other| other != ticket);
    }
    live.push(admitted.ticket);
    let own = |one: &&Pending| one.source == source;
    let old = |one: &&Pending| own(one) && now - one.since >= LIMITS.burst_ms;
    prop_assert!(admission.pending.iter().filter(own).count() <= BURST);
    prop_assert!(admission.pending.iter().filter(old).count() < LIMITS.per_source);
    Ok(())
}

proptest! {
    #[test]
    fn the_limits_hold_whatever_comes(steps in prop::collection::vec(step(), 0..200)) {
        let mut admission = Admission::new(LIMITS);
        let mut live = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Come(from, random) => come(&mut admission, from, now, random, &mut live)?,
                Step::Wait(time) => now += time,
                Step::Reach(index, stage) => {
                    if let Some(ticket) = live.get(index) {
                        admission.reach(*ticket, stage);
                    }
                }
                Step::LogIn(index, is_operator) if index < live.len() => {
                    admission.log_in(live[index], is_operator);
                }
                Step::Leave(index, offence) if index < live.len() => {
                    admission.leave(live.remove(index), now, offence);
                }
                Step::LogIn(..) | Step::Leave(..) => {}
            }
            let (pending, sessions) = admission.counts();
            prop_assert!(pending <= LIMITS.pending && sessions <= LIMITS.sessions);
            prop_assert_eq!(pending + sessions, live.len());
        }
    }

    /// Whatever one hostile address does, another one gets in.
    #[test]
    fn one_address_locks_nobody_out(times in prop::collection::vec(0u64..500, 1..100),
                                    random in any::<u32>()) {
        let mut admission = Admission::new(LIMITS);
        let mut now = 0;
        for time in times {
            now += time;
            let _ = admission.admit(address(1), now, random);
        }
        prop_assert!(admission.admit(address(2), now, random).is_ok());
    }

    /// Whatever all others do, one that has logged in before gets in.
    #[test]
    fn a_known_address_gets_in(from in prop::collection::vec((2u8..255, any::<u32>()), 1..200)) {
        let mut admission = logged_in_from(address(1));
        for (from, random) in from {
            let _ = admission.admit(address(from), 0, random);
        }
        let known = admission.admit(address(1), 0, 0);
        prop_assert!(known.is_ok());
        let ticket = known.unwrap().ticket;
        for from in 2..255 {
            let next = admission.admit(address(from), 1, 7);
            prop_assert!(next.is_err() || !next.unwrap().evicted.contains(&ticket));
        }
    }
}
