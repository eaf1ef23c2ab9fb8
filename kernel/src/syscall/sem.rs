//! Semaphores of System V: semget(2), semop(2), semctl(2).

use super::Call;
use crate::arch::user_access::copy_to_user;
use crate::process::accounts;
use crate::process::ipc;
use crate::user_memory::read_bytes;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::ipc::*;
use paddock_abi::time::Timespec;
use paddock_abi::{Errno, Result};
use paddock_charge::Account;
use paddock_ipc::Which;
use paddock_ipc::sem::{Engine, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SEMVMX, Set};
use paddock_sync::{Deadline, NO_DEADLINE};
use zerocopy::IntoBytes;

/// Who pays for what outlives a process.
fn payer() -> Arc<Account> {
    accounts::paying().user().clone()
}

/// semget(2).
pub fn semget(call: &mut Call<'_>) -> Result<u64> {
    let (key, count, flags) = (call.int(0), call.int(1), call.uint(2));
    let account = payer();
    let id = call.ipc(|caller| ipc::own().sets.get(caller, (key, flags), count, &account))?;
    Ok(id as u64)
}

/// semop(2).
pub fn semop(call: &mut Call<'_>) -> Result<u64> {
    let operations = operations(call)?;
    operate(call, &operations, NO_DEADLINE)
}

/// semtimedop(2).
pub fn semtimedop(call: &mut Call<'_>) -> Result<u64> {
    let operations = operations(call)?;
    let deadline = match call.pointer::<Timespec>(3).non_null() {
        Some(place) => {
            let nanos = place.read()?.to_nanos()?;
            call.deadline_in(nanos)
        }
        None => NO_DEADLINE,
    };
    operate(call, &operations, deadline)
}

/// What is to be done. `EINVAL`, `E2BIG`, `EFAULT`, `ENOMEM`.
fn operations(call: &Call<'_>) -> Result<Vec<Sembuf>> {
    let count = usize::try_from(call.word(2)).map_err(|_| Errno::E2BIG)?;
    if count < 1 || call.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    if count > SEMOPM {
        return Err(Errno::E2BIG);
    }
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    all.resize(count, Sembuf::default());
    crate::arch::user_access::copy_from_user(all.as_mut_bytes(), call.word(1))?;
    Ok(all)
}

fn operate(call: &Call<'_>, operations: &[Sembuf], deadline: Deadline) -> Result<u64> {
    let account = accounts::paying();
    let undo = (&call.process().sem_undo, &account);
    call.ipc(|caller| {
        ipc::own()
            .sets
            .operate(caller, call.int(0), operations, deadline, undo)
    })?;
    Ok(0)
}

/// semctl(2).
pub fn semctl(call: &mut Call<'_>) -> Result<u64> {
    let (id, command) = (call.int(0), call.uint(2));
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        IPC_INFO | SEM_INFO => info(call, command == SEM_INFO),
        IPC_STAT => stat(call, Which::Id(id)).map(|_| 0),
        SEM_STAT => stat(call, Which::Index(id)),
        SEM_STAT_ANY => stat(call, Which::IndexForAll(id)),
        IPC_SET => {
            let new = call.pointer::<SemidDs>(3).read()?;
            call.ipc(|caller| ipc::own().sets.set(caller, id, &new.sem_perm))?;
            Ok(0)
        }
        IPC_RMID => call
            .ipc(|caller| ipc::own().sets.remove(caller, id))
            .map(|()| 0),
        GETALL => get_all(call, &*ipc::own().sets.find(id)?),
        SETALL => set_all(call, &*ipc::own().sets.find(id)?),
        SETVAL => set_value(call, id),
        GETVAL | GETPID | GETNCNT | GETZCNT => get_one(call, id, command),
        _ => Err(Errno::EINVAL),
    }
}

fn stat(call: &Call<'_>, which: Which) -> Result<u64> {
    let (id, shown) = call.ipc(|caller| ipc::own().sets.stat(caller, which))?;
    call.pointer::<SemidDs>(3).write(&shown)?;
    Ok(id as u64)
}

/// `IPC_INFO` and `SEM_INFO`: the highest index.
fn info(call: &Call<'_>, totals: bool) -> Result<u64> {
    let (used, highest, semaphores) = ipc::own().sets.counts();
    let (semusz, semaem) = match totals {
        true => (used as i32, semaphores as i32),
        false => (20, SEMVMX),
    };
    call.pointer::<Seminfo>(3).write(&Seminfo {
        semmap: SEMMNS as i32,
        semmni: SEMMNI as i32,
        semmns: SEMMNS as i32,
        semmnu: SEMMNS as i32,
        semmsl: SEMMSL as i32,
        semopm: SEMOPM as i32,
        semume: SEMOPM as i32,
        semusz,
        semvmx: SEMVMX,
        semaem,
    })?;
    Ok(u64::from(highest))
}

fn get_all(call: &Call<'_>, set: &Set) -> Result<u64> {
    let mut values: Vec<u16> = Vec::new();
    values
        .try_reserve_exact(set.count())
        .map_err(|_| Errno::ENOMEM)?;
    let mut look = |engine: &Engine<_>| {
        for number in 0..set.count() {
            values.push(engine.value(number)? as u16);
        }
        Ok(())
    };
    call.ipc(|caller| set.look(caller, &mut look))?;
    copy_to_user(call.word(3), values.as_bytes())?;
    Ok(0)
}

fn set_all(call: &Call<'_>, set: &Set) -> Result<u64> {
    call.ipc(|caller| set.check(caller, 0o222))?;
    let bytes = read_bytes(call.word(3), set.count() * size_of::<u16>())?;
    let mut values: Vec<u16> = Vec::new();
    values
        .try_reserve_exact(set.count())
        .map_err(|_| Errno::ENOMEM)?;
    values.extend(
        bytes
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]])),
    );
    call.ipc(|caller| set.set_all(caller, &values))?;
    Ok(0)
}

fn set_value(call: &Call<'_>, id: i32) -> Result<u64> {
    let value = call.int(3);
    if !(0..=SEMVMX).contains(&value) {
        return Err(Errno::ERANGE);
    }
    let set = ipc::own().sets.find(id)?;
    let number = usize::try_from(call.int(1)).map_err(|_| Errno::EINVAL)?;
    call.ipc(|caller| set.set_value(caller, number, value))?;
    Ok(0)
}

fn get_one(call: &Call<'_>, id: i32, command: u32) -> Result<u64> {
    let set = ipc::own().sets.find(id)?;
    let number = usize::try_from(call.int(1)).unwrap_or(usize::MAX);
    let look = |engine: &Engine<_>| {
        Ok(match command {
            GETVAL => engine.value(number)? as u64,
            GETPID => u64::from(call.known(engine.pid(number)?)),
            GETNCNT => engine.larger_waiters(number)? as u64,
            _ => engine.zero_waiters(number)? as u64,
        })
    };
    call.ipc(|caller| set.look(caller, look))
}
