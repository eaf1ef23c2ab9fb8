use super::*;
use crate::WaitStatus;
use paddock_abi::Errno;
use proptest::prelude::*;

const HANDLER: u64 = 0x40_0000;

fn handler(flags: SaFlags, mask: SignalSet) -> Sigaction {
    Sigaction {
        handler: HANDLER,
        flags: flags.bits(),
        restorer: 0,
        mask: mask.0,
    }
}

fn send(signals: &mut Signals, signal: u32) -> Sent {
    signals
        .send(&Siginfo::from_process(signal, SI_USER, 5, 0), None)
        .unwrap()
}

fn handled(delivery: Option<Delivery>) -> u32 {
    match delivery {
        Some(Delivery::Handler { info, .. }) => info.signal(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_carried_out() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    assert_eq!(send(&mut signals, SIGTERM), Sent::Wake(1));
    assert!(signals.has_work(1));
    assert!(matches!(
        signals.next(1),
        Some(Delivery::Terminate {
            signal: SIGTERM,
            core: false
        })
    ));
    assert_eq!(send(&mut signals, SIGWINCH), Sent::Ignored);
    send(&mut signals, SIGSEGV);
    assert!(matches!(
        signals.next(1),
        Some(Delivery::Terminate {
            signal: SIGSEGV,
            core: true
        })
    ));
    send(&mut signals, SIGTSTP);
    assert!(matches!(signals.next(1), Some(Delivery::Stop(SIGTSTP))));
    assert!(signals.next(1).is_none());
}

#[test]
fn what_a_signal_will_come_to_is_known() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    for deadly in [SIGTERM, SIGKILL, SIGSEGV] {
        assert!(signals.is_deadly(deadly));
    }
    for harmless in [0, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP] {
        assert!(!signals.is_deadly(harmless));
    }
    // Where all threads block it, it waits.
    signals.set_mask(1, SignalSet::of(SIGTERM)).unwrap();
    assert!(!signals.is_deadly(SIGTERM));
    signals.add_thread(2, SignalSet::EMPTY).unwrap();
    assert!(signals.is_deadly(SIGTERM));
    let caught = handler(SaFlags::empty(), SignalSet::EMPTY);
    signals.set_action(SIGTERM, caught).unwrap();
    assert!(!signals.is_deadly(SIGTERM));
    assert!(
        !Signals::new(1, Protection::Whole)
            .unwrap()
            .is_deadly(SIGTERM)
    );
}

#[test]
fn a_handler_blocks_its_signal_and_returns_to_the_old_mask() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals
        .set_action(SIGUSR1, handler(SaFlags::empty(), SignalSet::of(SIGUSR2)))
        .unwrap();
    send(&mut signals, SIGUSR1);
    let Some(Delivery::Handler { old_mask, .. }) = signals.next(1) else {
        panic!()
    };
    assert_eq!(old_mask, SignalSet::EMPTY);
    let both = SignalSet::of(SIGUSR1).union(SignalSet::of(SIGUSR2));
    assert_eq!(signals.mask(1), Ok(both));
    assert_eq!(send(&mut signals, SIGUSR1), Sent::Blocked);
    assert!(!signals.has_work(1));
    signals.set_mask(1, old_mask).unwrap();
    assert_eq!(handled(signals.next(1)), SIGUSR1);
}

#[test]
fn nodefer_and_resethand() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    let flags = SaFlags::NODEFER | SaFlags::RESETHAND;
    signals
        .set_action(SIGUSR1, handler(flags, SignalSet::EMPTY))
        .unwrap();
    send(&mut signals, SIGUSR1);
    assert_eq!(handled(signals.next(1)), SIGUSR1);
    assert_eq!(signals.mask(1), Ok(SignalSet::EMPTY));
    assert_eq!(signals.action(SIGUSR1).unwrap().handler, SIG_DFL);
}

#[test]
fn masks_belong_to_threads() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals.add_thread(2, SignalSet::EMPTY).unwrap();
    signals.set_mask(1, SignalSet::of(SIGINT)).unwrap();
    assert_eq!(send(&mut signals, SIGINT), Sent::Wake(2));
    assert!(!signals.has_work(1) && signals.has_work(2));
    signals.set_mask(2, SignalSet::of(SIGINT)).unwrap();
    let info = Siginfo::from_process(SIGINT, SI_TKILL, 1, 0);
    assert_eq!(signals.send(&info, Some(1)), Ok(Sent::Blocked));
    assert_eq!(signals.send(&info, Some(3)), Err(Errno::ESRCH));
    signals.set_mask(1, SignalSet::EMPTY).unwrap();
    assert!(signals.has_work(1));
}

#[test]
fn a_thread_that_ends_passes_its_work_on() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals.add_thread(2, SignalSet::EMPTY).unwrap();
    assert_eq!(send(&mut signals, SIGTERM), Sent::Wake(1));
    assert_eq!(signals.remove_thread(1), Some(2));
    assert!(signals.next(2).is_some());
}

#[test]
fn realtime_signals_queue_and_others_do_not() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    for signal in [SIGUSR1, 40] {
        signals
            .set_action(signal, handler(SaFlags::NODEFER, SignalSet::EMPTY))
            .unwrap();
        for pid in 0..3 {
            let info = Siginfo::from_process(signal, SI_QUEUE, pid, 0);
            signals.send(&info, None).unwrap();
        }
    }
    let mut seen = Vec::new();
    while let Some(Delivery::Handler { info, .. }) = signals.next(1) {
        seen.push((info.signal(), info.pid()));
    }
    assert_eq!(seen, [(SIGUSR1, 0), (40, 0), (40, 1), (40, 2)]);
}

#[test]
fn stop_and_continue_cancel_each_other() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    send(&mut signals, SIGTSTP);
    send(&mut signals, SIGCONT);
    assert!(signals.next(1).is_none());
    signals
        .set_action(SIGCONT, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    send(&mut signals, SIGCONT);
    send(&mut signals, SIGSTOP);
    assert!(matches!(signals.next(1), Some(Delivery::Stop(SIGSTOP))));
    assert!(signals.next(1).is_none());
}

#[test]
fn a_continuation_cancels_a_stop_that_is_under_way() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    for (between, holds) in [(None, true), (Some(SIGCONT), false), (Some(SIGKILL), false)] {
        send(&mut signals, SIGSTOP);
        assert!(matches!(signals.next(1), Some(Delivery::Stop(SIGSTOP))));
        if let Some(signal) = between {
            send(&mut signals, signal);
        }
        assert_eq!(signals.take_stop(), holds);
        assert!(!signals.take_stop());
    }
}

#[test]
fn what_a_thread_blocks_after_being_woken_goes_to_another() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals.add_thread(2, SignalSet::EMPTY).unwrap();
    assert_eq!(send(&mut signals, SIGUSR1), Sent::Wake(1));
    assert_eq!(signals.other_receiver(1), None);
    signals.set_mask(1, SignalSet::of(SIGUSR1)).unwrap();
    assert_eq!(signals.other_receiver(1), Some(2));
    signals.set_mask(2, SignalSet::of(SIGUSR1)).unwrap();
    assert_eq!(signals.other_receiver(1), None);
}

#[test]
fn process_one_gets_only_what_it_handles() {
    let mut signals = Signals::new(1, Protection::Whole).unwrap();
    assert_eq!(send(&mut signals, SIGKILL), Sent::Ignored);
    assert_eq!(send(&mut signals, SIGTERM), Sent::Ignored);
    signals
        .set_action(SIGTERM, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    assert_eq!(send(&mut signals, SIGTERM), Sent::Wake(1));
    assert_eq!(handled(signals.next(1)), SIGTERM);
    let fault = Siginfo::fault(SIGSEGV, SEGV_MAPERR, 0);
    signals.force(&fault, 1).unwrap();
    assert!(matches!(signals.next(1), Some(Delivery::Terminate { .. })));
}

#[test]
fn who_has_taken_a_signal_that_kills_is_known_to_end() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals.add_thread(2, SignalSet::EMPTY).unwrap();
    assert!(!signals.is_killed());
    send(&mut signals, SIGKILL);
    assert!(signals.is_killed() && !signals.is_dying());
    let taken = signals.next(1);
    assert!(matches!(taken, Some(Delivery::Terminate { .. })));
    assert!(signals.is_killed() && signals.has_work(2));
    let by_kill = WaitStatus::Signaled {
        signal: SIGKILL as u8,
        core: false,
    };
    signals.set_ending(WaitStatus::Exited(0));
    assert_eq!(signals.ending(), Some(by_kill));
}

#[test]
fn a_fault_cannot_be_blocked_away() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals
        .set_action(SIGSEGV, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    signals.set_mask(1, SignalSet::of(SIGSEGV)).unwrap();
    signals
        .force(&Siginfo::fault(SIGSEGV, SEGV_MAPERR, 8), 1)
        .unwrap();
    assert!(matches!(
        signals.next(1),
        Some(Delivery::Terminate {
            signal: SIGSEGV,
            ..
        })
    ));
}

#[test]
fn a_suspended_mask_comes_back_with_the_handler() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals
        .set_action(SIGUSR1, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    signals.set_mask(1, SignalSet::of(SIGUSR1)).unwrap();
    send(&mut signals, SIGUSR1);
    signals.suspend_mask(1, SignalSet::EMPTY).unwrap();
    let Some(Delivery::Handler { old_mask, .. }) = signals.next(1) else {
        panic!()
    };
    assert_eq!(old_mask, SignalSet::of(SIGUSR1));
    signals.suspend_mask(1, SignalSet::of(SIGINT)).unwrap();
    signals.restore_mask(1);
    assert_eq!(signals.mask(1), Ok(SignalSet::of(SIGUSR1)));
}

#[test]
fn awaited_signals_are_kept_even_if_ignored_or_blocked() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    let child = SignalSet::of(SIGCHLD);
    signals.set_mask(1, child).unwrap();
    assert!(signals.await_signal(1, child).is_none());
    assert_eq!(send(&mut signals, SIGCHLD), Sent::Wake(1));
    assert_eq!(signals.await_signal(1, child).unwrap().signal(), SIGCHLD);
    signals.stop_awaiting(1);
    assert_eq!(send(&mut signals, SIGCHLD), Sent::Blocked);
}

#[test]
fn exec_keeps_ignored_and_blocked() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals
        .set_action(SIGUSR1, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    let ignore = Sigaction {
        handler: SIG_IGN,
        ..Sigaction::default()
    };
    signals.set_action(SIGPIPE, ignore).unwrap();
    signals.set_mask(1, SignalSet::of(SIGHUP)).unwrap();
    signals.exec(1);
    assert_eq!(signals.action(SIGUSR1).unwrap().handler, SIG_DFL);
    assert_eq!(signals.action(SIGPIPE).unwrap().handler, SIG_IGN);
    assert_eq!(signals.mask(1), Ok(SignalSet::of(SIGHUP)));
}

#[test]
fn a_child_inherits_actions_and_mask_but_nothing_pending() {
    let mut signals = Signals::new(1, Protection::Whole).unwrap();
    signals
        .set_action(SIGUSR1, handler(SaFlags::empty(), SignalSet::EMPTY))
        .unwrap();
    signals.set_mask(1, SignalSet::of(SIGINT)).unwrap();
    send(&mut signals, SIGUSR1);
    let mut child = signals.fork(1, 9, true).unwrap();
    assert_eq!(child.mask(9), Ok(SignalSet::of(SIGINT)));
    assert_eq!(child.action(SIGUSR1).unwrap().handler, HANDLER);
    assert!(child.next(9).is_none());
    assert_eq!(send(&mut child, SIGKILL), Sent::Wake(9));
}

fn registers() -> Registers {
    let mut x = [0; 31];
    x.iter_mut()
        .enumerate()
        .for_each(|(i, x)| *x = i as u64 * 3);
    Registers {
        x,
        sp: 0x7fff_1238,
        pc: 0x40_1000,
        pstate: 0x6000_0000,
    }
}

#[test]
fn a_frame_round_trips_and_gives_no_privilege() {
    let fp = FpState {
        vregs: [7; 64],
        fpsr: 1,
        fpcr: 2,
    };
    let info = Siginfo::from_process(SIGUSR1, SI_USER, 4, 0);
    let action = handler(SaFlags::ONSTACK, SignalSet::EMPTY);
    let alt = StackT {
        ss_sp: 0x1_0000,
        ss_flags: 0,
        pad: 0,
        ss_size: 0x4000,
    };
    let old = registers();
    let mut request = FrameRequest {
        registers: &old,
        fp: &fp,
        action: &action,
        info: &info,
        old_mask: SignalSet::of(SIGINT),
        alt_stack: alt,
        trampoline: 0xabc0,
        fault_address: 0,
        esr: 0,
    };
    let (mut frame, record, new) = build_frame(&request).unwrap();
    assert_eq!(new.sp, 0x1_4000 - RT_SIGFRAME_SIZE - 16);
    assert_eq!((new.x[0], new.x[1], new.x[2]), (10, new.sp, new.sp + 128));
    assert_eq!((new.x[30], new.pc), (0xabc0, HANDLER));
    assert_eq!(record, [old.x[29], old.x[30]]);
    let back = restore_frame(&frame).unwrap();
    assert_eq!(back, (old, fp, SignalSet::of(SIGINT)));
    frame.context.pstate = 0x6000_03c5;
    frame.uc.uc_sigmask = u64::MAX;
    let (evil, _, mask) = restore_frame(&frame).unwrap();
    assert_eq!(evil.pstate, 0x6000_0000);
    assert!(!mask.contains(SIGKILL));
    frame.fpsimd.magic = 0;
    assert_eq!(restore_frame(&frame).err(), Some(Errno::EFAULT));
    let mut restored = handler(SaFlags::RESTORER, SignalSet::EMPTY);
    restored.restorer = 0x50;
    request.action = &restored;
    let (_, _, new) = build_frame(&request).unwrap();
    assert_eq!(new.x[30], 0x50);
    assert_eq!(new.sp, (0x7fff_1230 - RT_SIGFRAME_SIZE - 16));
}

proptest! {
    /// Whatever is sent and masked, an unblocked deadly signal is found, and
    /// nothing blocked is ever delivered.
    #[test]
    fn blocked_signals_wait(ops in proptest::collection::vec((0u8..3, 1u32..=64, any::<u64>()), 1..60)) {
        let mut signals = Signals::new(1, Protection::No).unwrap();
        for (what, signal, mask) in ops {
            match what {
                0 => { send(&mut signals, signal); }
                1 => signals.set_mask(1, SignalSet(mask)).unwrap(),
                _ => {
                    let mask = signals.mask(1).unwrap();
                    if let Some(Delivery::Terminate { signal, .. } | Delivery::Stop(signal)) = signals.next(1) {
                        prop_assert!(!mask.contains(signal));
                    }
                }
            }
        }
        signals.set_mask(1, SignalSet(u64::MAX)).unwrap();
        send(&mut signals, SIGKILL);
        let killed = matches!(signals.next(1), Some(Delivery::Terminate { signal: SIGKILL, .. }));
        prop_assert!(killed);
    }
}

#[test]
fn a_namespaces_process_1_is_killed_from_outside_only() {
    let mut signals = Signals::new(1, Protection::No).unwrap();
    signals.protect();
    let from = |signal| Siginfo::from_process(signal, SI_USER, 2, 0);
    for signal in [SIGTERM, SIGKILL, SIGSTOP] {
        let sent = signals.send_from(&from(signal), None, false);
        assert_eq!(sent, Ok(Sent::Ignored));
    }
    let sent = signals.send_from(&from(SIGTERM), None, true);
    assert_eq!(sent, Ok(Sent::Ignored));
    assert!(!signals.has_deadly(1));
    let sent = signals.send_from(&from(SIGKILL), None, true);
    assert_eq!(sent, Ok(Sent::Wake(1)));
    assert!(signals.has_deadly(1));
    assert!(matches!(
        signals.next(1),
        Some(Delivery::Terminate {
            signal: SIGKILL,
            ..
        })
    ));
}
