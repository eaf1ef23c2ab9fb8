//! ioctl_tty(2).

use crate::terminals::Terminals;
use crate::tty::Tty;
use alloc::sync::Arc;
use paddock_abi::termios::*;
use paddock_abi::{Errno, Result};
use paddock_vfs::IoctlArg;
use zerocopy::{FromZeros, IntoBytes};

/// What both sides of a terminal understand.
pub(crate) fn common(tty: &Tty, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
    match cmd {
        TCGETS => arg.write(0, tty.termios().as_bytes())?,
        TCGETS2 => {
            let speed = 38400;
            let all = Termios2 {
                termios: tty.termios(),
                c_ispeed: speed,
                c_ospeed: speed,
            };
            arg.write(0, all.as_bytes())?;
        }
        TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 => {
            tty.check_change()?;
            let mut termios = Termios::new_zeroed();
            arg.read(0, termios.as_mut_bytes())?;
            if matches!(cmd, TCSETSF | TCSETSF2) {
                tty.state.lock().discipline.flush_input();
            }
            tty.set_termios(termios);
        }
        TIOCGWINSZ => arg.write(0, tty.winsize().as_bytes())?,
        TIOCSWINSZ => {
            let mut winsize = Winsize::default();
            arg.read(0, winsize.as_mut_bytes())?;
            tty.set_winsize(winsize);
        }
        TIOCOUTQ => {
            let count = tty.state.lock().out.len();
            arg.write_i32(count as i32)?;
        }
        TCFLSH => flush(tty, arg.value())?,
        TCSBRK | TCSBRKP => {}
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn flush(tty: &Tty, which: u64) -> Result<()> {
    let mut state = tty.state.lock();
    if matches!(which, TCIFLUSH | TCIOFLUSH) {
        state.discipline.flush_input();
    }
    if matches!(which, TCOFLUSH | TCIOFLUSH) {
        state.out.clear();
    }
    drop(state);
    tty.changed.wake_all();
    match which {
        TCIFLUSH | TCOFLUSH | TCIOFLUSH => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// What a program's side understands.
pub(crate) fn terminal(
    tty: &Arc<Tty>,
    terminals: &Terminals,
    cmd: u32,
    arg: &mut dyn IoctlArg,
) -> Result<u64> {
    match cmd {
        FIONREAD => {
            let count = tty.state.lock().discipline.readable();
            arg.write_i32(count as i32)?;
        }
        TIOCSCTTY => terminals.take_control(tty, arg.value() == 1)?,
        TIOCNOTTY => terminals.give_up_control(tty)?,
        TIOCGPGRP => {
            let (_, foreground) = own_terminal(tty)?;
            arg.write_i32(tty.job.known(foreground) as i32)?;
        }
        TIOCGSID => {
            let (session, _) = own_terminal(tty)?;
            arg.write_i32(tty.job.known(session) as i32)?;
        }
        TIOCSPGRP => set_foreground(tty, arg.read_i32()?)?,
        TCXONC => flow(tty, arg.value())?,
        TIOCEXCL => tty.state.lock().exclusive = true,
        TIOCNXCL => tty.state.lock().exclusive = false,
        TIOCSTI => fake_input(tty, arg)?,
        _ => return common(tty, cmd, arg),
    }
    Ok(0)
}

fn flow(tty: &Tty, action: u64) -> Result<()> {
    match action {
        TCOOFF => tty.state.lock().discipline.set_stopped(true),
        TCOON => {
            tty.state.lock().discipline.set_stopped(false);
            tty.push_output();
        }
        // The other side has no use for our stop and start characters.
        TCIOFF | TCION => {}
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn fake_input(tty: &Tty, arg: &mut dyn IoctlArg) -> Result<()> {
    if !tty.job.caller().is_some_and(|caller| caller.privileged) {
        return Err(Errno::EPERM);
    }
    let mut byte = [0];
    arg.read(0, &mut byte)?;
    tty.receive(&byte);
    Ok(())
}

/// Session and foreground group, if it is the caller's controlling terminal.
fn own_terminal(tty: &Tty) -> Result<(u32, u32)> {
    let (session, foreground) = tty.session();
    let caller = tty.job.caller().ok_or(Errno::ENOTTY)?;
    match session != 0 && caller.session == session {
        true => Ok((session, foreground)),
        false => Err(Errno::ENOTTY),
    }
}

fn set_foreground(tty: &Tty, group: i32) -> Result<()> {
    let (session, _) = own_terminal(tty)?;
    tty.check_change()?;
    let group = u32::try_from(group).map_err(|_| Errno::EINVAL)?;
    let group = tty.job.find(group).ok_or(Errno::ESRCH)?;
    match tty.job.session_of_group(group) {
        None => Err(Errno::ESRCH),
        Some(other) if other != session => Err(Errno::EPERM),
        Some(_) => tty.set_foreground(session, group),
    }
}
