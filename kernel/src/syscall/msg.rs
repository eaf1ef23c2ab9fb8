//! Message queues of System V: msgget(2), msgop(2), msgctl(2).

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::process::accounts;
use crate::process::ipc;
use crate::user_memory::read_bytes;
use core::sync::atomic::Ordering::Relaxed;
use paddock_abi::ipc::*;
use paddock_abi::{Errno, Result};
use paddock_ipc::msg::{MSGMAX, MSGMNB, MSGMNI, is_copy};
use paddock_ipc::{Which, index_of};

/// msgget(2).
pub fn msgget(call: &mut Call<'_>) -> Result<u64> {
    let (key, flags) = (call.int(0), call.uint(1));
    let account = accounts::paying();
    let id = call.ipc(|caller| ipc::own().queues.get(caller, (key, flags), account.user()))?;
    Ok(id as u64)
}

/// msgsnd(2): the sender's user owes a message until it is received.
pub fn msgsnd(call: &mut Call<'_>) -> Result<u64> {
    let (id, bytes, flags) = (call.int(0), call.word(2), call.uint(3));
    let kind = call.pointer::<i64>(1).read()?;
    if kind < 1 || id < 0 || bytes > MSGMAX.load(Relaxed) as u64 {
        return Err(Errno::EINVAL);
    }
    let place = call.word(1).checked_add(8).ok_or(Errno::EFAULT)?;
    let text = read_bytes(place, bytes as usize)?;
    let account = accounts::paying();
    call.ipc(|caller| {
        ipc::own()
            .queues
            .send(caller, (id, flags), (kind, text), account.user())
    })?;
    Ok(0)
}

/// msgrcv(2).
pub fn msgrcv(call: &mut Call<'_>) -> Result<u64> {
    let (id, bytes, kind, flags) = (call.int(0), call.word(2), call.word(3), call.uint(4));
    if id < 0 || bytes > i64::MAX as u64 {
        return Err(Errno::EINVAL);
    }
    let copies = is_copy(flags)?;
    let (kind, most) = (kind as i64, bytes as usize);
    let space = ipc::own();
    let message = call.ipc(|caller| match copies {
        true => space.queues.copy(caller, (id, flags), kind, most),
        false => space.queues.receive(caller, (id, flags), kind, most),
    })?;
    let text = message.text.get(..most).unwrap_or(&message.text);
    call.pointer::<i64>(1).write(&message.kind)?;
    let place = call.word(1).checked_add(8).ok_or(Errno::EFAULT)?;
    copy_to_user(place, text)?;
    Ok(text.len() as u64)
}

/// msgctl(2).
pub fn msgctl(call: &mut Call<'_>) -> Result<u64> {
    let (id, command) = (call.int(0), call.uint(1));
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO | MSG_INFO => info(call, command == MSG_INFO),
        IPC_STAT => stat(call, Which::Id(id)).map(|_| 0),
        MSG_STAT => stat(call, Which::Index(id)),
        MSG_STAT_ANY => stat(call, Which::IndexForAll(id)),
        IPC_SET => {
            let new = call.pointer::<MsqidDs>(2).read()?;
            call.ipc(|caller| ipc::own().queues.set(caller, id, &new))?;
            Ok(0)
        }
        IPC_RMID => call
            .ipc(|caller| ipc::own().queues.remove(caller, id))
            .map(|()| 0),
        _ => Err(Errno::EINVAL),
    }
}

fn stat(call: &Call<'_>, which: Which) -> Result<u64> {
    let (id, mut shown) = call.ipc(|caller| ipc::own().queues.stat(caller, which))?;
    for pid in [&mut shown.msg_lspid, &mut shown.msg_lrpid] {
        *pid = call.known(*pid);
    }
    call.pointer::<MsqidDs>(2).write(&shown)?;
    Ok(id as u64)
}

/// `IPC_INFO` and `MSG_INFO`: the highest index.
fn info(call: &Call<'_>, totals: bool) -> Result<u64> {
    let (used, highest) = ipc::own().queues.counts();
    // What Linux says of the first three means nothing any more.
    let (msgpool, msgmap, msgtql) = match totals {
        true => {
            let (messages, bytes) = all_messages();
            (used as u64, messages, bytes)
        }
        false => {
            let pool = u64::from(MSGMNI.load(Relaxed)) * MSGMNB.load(Relaxed) as u64 / 1024;
            (
                pool,
                MSGMNB.load(Relaxed) as u64,
                MSGMNB.load(Relaxed) as u64,
            )
        }
    };
    let number = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
    call.pointer::<Msginfo>(2).write(&Msginfo {
        msgpool: number(msgpool),
        msgmap: number(msgmap),
        msgmax: MSGMAX.load(Relaxed) as i32,
        msgmnb: MSGMNB.load(Relaxed) as i32,
        msgmni: MSGMNI.load(Relaxed) as i32,
        msgssz: 16,
        msgtql: number(msgtql),
        msgseg: 0xffff,
        pad: 0,
    })?;
    Ok(u64::from(highest))
}

/// The messages of all queues, and their bytes.
fn all_messages() -> (u64, u64) {
    let (mut messages, mut bytes) = (0, 0);
    let mut index = 0;
    let ipc = ipc::own();
    while let Some(queue) = ipc.queues.from(index) {
        let shown = queue.shown();
        messages += shown.msg_qnum;
        bytes += shown.msg_cbytes;
        index = index_of(queue.id()) + 1;
    }
    (messages, bytes)
}
