use super::*;
use alloc::collections::VecDeque;
use alloc::vec;
use proptest::prelude::*;

fn list(count: usize) -> (ReadyList, Vec<Ticket>) {
    let mut list = ReadyList::new();
    let tickets = (0..count).map(|_| allot(&mut list)).collect();
    (list, tickets)
}

fn allot(list: &mut ReadyList) -> Ticket {
    loop {
        if let Some(ticket) = list.allot() {
            return ticket;
        }
        let roomy = Vec::with_capacity(list.wanted_room());
        assert!(list.move_to(roomy).is_empty());
    }
}

#[test]
fn in_the_order_of_what_happened() {
    let (mut list, tickets) = list(5);
    for place in [3, 1, 3, 4, 1] {
        list.push(tickets[place]);
    }
    assert_eq!(list.len(), 3);
    let claimed: Vec<_> = core::iter::from_fn(|| list.claim()).collect();
    let found: Vec<_> = claimed.iter().map(|sight| sight.ticket.place).collect();
    assert_eq!(found, [3, 1, 4]);
    assert!(!list.has_unclaimed());
}

#[test]
fn what_happens_during_a_look_is_not_lost() {
    let (mut list, tickets) = list(1);
    list.push(tickets[0]);
    let sight = list.claim().unwrap();
    list.push(tickets[0]);
    assert!(list.claim().is_none(), "one wait at a time");
    list.finish(sight, Then::Leave);
    let sight = list.claim().unwrap();
    list.finish(sight, Then::Leave);
    assert_eq!(list.len(), 0);
}

#[test]
fn an_ended_entry_is_not_its_successor() {
    let (mut list, tickets) = list(1);
    list.push(tickets[0]);
    let sight = list.claim().unwrap();
    list.retire(tickets[0]);
    let next = allot(&mut list);
    assert_eq!(next.place, tickets[0].place);
    list.push(tickets[0]);
    assert_eq!(list.len(), 0);
    list.push(next);
    list.finish(sight, Then::Leave);
    list.retire(tickets[0]);
    assert_eq!(list.claim().unwrap().ticket, next);
}

#[derive(Clone, Debug)]
enum Step {
    Allot,
    Retire(usize),
    Push(usize),
    Claim,
    Finish(usize, bool),
    PassOver,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Allot),
        1 => any::<usize>().prop_map(Step::Retire),
        6 => any::<usize>().prop_map(Step::Push),
        4 => Just(Step::Claim),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(n, stay)| Step::Finish(n, stay)),
        2 => Just(Step::PassOver),
    ]
}

/// The same as a queue, walked over.
#[derive(Default)]
struct Model {
    live: Vec<Ticket>,
    /// Whether it is claimed, and whether something happened since.
    listed: VecDeque<(Ticket, bool, bool)>,
}

impl Model {
    fn push(&mut self, ticket: Ticket) {
        match self.listed.iter_mut().find(|(other, ..)| *other == ticket) {
            Some((_, _, news)) => *news = true,
            None => self.listed.push_back((ticket, false, false)),
        }
    }

    fn finish(&mut self, ticket: Ticket, stay: bool) {
        let at = self.listed.iter().position(|(other, ..)| *other == ticket);
        if let Some((ticket, _, news)) = at.and_then(|at| self.listed.remove(at))
            && (stay || news)
        {
            self.listed.push_back((ticket, false, false));
        }
    }
}

proptest! {
    #[test]
    fn as_a_queue(steps in proptest::collection::vec(step(), 1..200)) {
        let (mut list, mut model) = (ReadyList::new(), Model::default());
        let mut claims: Vec<Sight> = vec![];
        for step in steps {
            match step {
                Step::Allot => model.live.push(allot(&mut list)),
                Step::Retire(n) if !model.live.is_empty() => {
                    let ticket = model.live.swap_remove(n % model.live.len());
                    model.listed.retain(|(other, ..)| *other != ticket);
                    list.retire(ticket);
                }
                Step::Push(n) if !model.live.is_empty() => {
                    let ticket = model.live[n % model.live.len()];
                    model.push(ticket);
                    list.push(ticket);
                }
                Step::Claim => {
                    let expected = model.listed.iter_mut().find(|(_, claimed, _)| !claimed);
                    let expected = expected.map(|(ticket, claimed, news)| {
                        (*claimed, *news) = (true, false);
                        *ticket
                    });
                    let found = list.claim();
                    prop_assert_eq!(found.map(|sight| sight.ticket), expected);
                    claims.extend(found);
                }
                Step::Finish(n, stay) if !claims.is_empty() => {
                    let sight = claims.swap_remove(n % claims.len());
                    model.finish(sight.ticket, stay);
                    list.finish(sight, if stay { Then::Stay } else { Then::Leave });
                }
                Step::PassOver => {
                    let first = list.first();
                    prop_assert_eq!(
                        first.map(|sight| sight.ticket),
                        model.listed.front().map(|(ticket, ..)| *ticket)
                    );
                    if let Some(sight) = first {
                        let second = model.listed.get(1).map(|(ticket, ..)| *ticket);
                        let next = list.pass_over(sight);
                        prop_assert_eq!(next.map(|sight| sight.ticket), second);
                        if !model.listed[0].1 {
                            model.listed.pop_front();
                        }
                    }
                }
                _ => {}
            }
            prop_assert_eq!(list.len(), model.listed.len());
        }
    }
}
