//! The kernel's key management: add_key(2), request_key(2), keyctl(2).

use super::Call;
use crate::arch::user_access::{copy_from_user, copy_to_user};
use crate::process::keys;
use crate::user_memory::{UserPtr, read_string};
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_cred::IdKind;
use paddock_keys::{Caller, Keys, Kind, Serial};

/// The longest name of a kind, with its zero byte.
const MAX_KIND: usize = 32;
/// The longest description, likewise.
const MAX_DESCRIPTION: usize = 4096;
/// The most bytes of a key of any kind.
const MAX_PAYLOAD: u64 = (1 << 20) - 1;
/// The most that an update has.
const MAX_UPDATE: u64 = 4096;

fn with<T>(call: &Call<'_>, body: impl FnOnce(&mut Keys, &Caller<'_>) -> T) -> T {
    keys::with(call.thread, body)
}

/// The name of a kind. `EINVAL`, `EFAULT`; `EPERM` for one of the kernel's own.
fn kind_name(address: u64) -> Result<Vec<u8>> {
    let name = read_string(address, MAX_KIND, Errno::EINVAL)?;
    match name.first() {
        None => Err(Errno::EINVAL),
        Some(b'.') => Err(Errno::EPERM),
        Some(_) => Ok(name),
    }
}

fn text(address: u64) -> Result<Vec<u8>> {
    read_string(address, MAX_DESCRIPTION, Errno::EINVAL)
}

/// A text that may be missing.
fn optional_text(address: u64) -> Result<Option<Vec<u8>>> {
    match address {
        0 => Ok(None),
        address => text(address).map(Some),
    }
}

/// The bytes for a key. `EFAULT`, `ENOMEM`.
fn payload(address: u64, length: u64) -> Result<Vec<u8>> {
    let length = length as usize;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(length, 0);
    copy_from_user(&mut bytes, address)?;
    Ok(bytes)
}

/// Stores what fits, if there is a place; how long all is.
fn store(bytes: &[u8], address: u64, room: u64) -> Result<u64> {
    if address != 0 && bytes.len() as u64 <= room {
        copy_to_user(address, bytes)?;
    }
    Ok(bytes.len() as u64)
}

/// add_key(2): of the kinds `user`, `logon` and `keyring` (`ENODEV` for others).
pub fn add_key(call: &mut Call<'_>) -> Result<u64> {
    let (at, length) = (call.word(2), call.word(3));
    if length > MAX_PAYLOAD {
        return Err(Errno::EINVAL);
    }
    let name = kind_name(call.word(0))?;
    let description = optional_text(call.word(1))?.unwrap_or_default();
    if name == b"keyring" && description.first() == Some(&b'.') {
        return Err(Errno::EPERM);
    }
    let payload = payload(at, length)?;
    let kind = Kind::named(&name)?;
    let ring = call.int(4);
    let add = |keys: &mut Keys, who: &Caller<'_>| keys.add(who, kind, &description, &payload, ring);
    with(call, add).map(|serial| serial as u64)
}

/// request_key(2): of keys that there are; no program makes others (`ENOKEY`).
pub fn request_key(call: &mut Call<'_>) -> Result<u64> {
    let name = kind_name(call.word(0))?;
    let description = text(call.word(1))?;
    let asks = optional_text(call.word(2))?.is_some();
    let kind = Kind::named(&name).map_err(|_| Errno::ENOKEY)?;
    let dest = call.int(3);
    let request =
        |keys: &mut Keys, who: &Caller<'_>| keys.request(who, kind, &description, asks, dest);
    with(call, request).map(|serial| serial as u64)
}

/// keyctl(2): but for what makes keys for others, of which there are none (`EPERM`), what
/// is about the session of the parent, and what computes (`EOPNOTSUPP`).
pub fn keyctl(call: &mut Call<'_>) -> Result<u64> {
    let (first, second) = (call.int(1), call.int(2));
    let number = |serial: Result<Serial>| serial.map(|serial| serial as i64 as u64);
    let done = |result: Result<()>| result.map(|()| 0);
    match call.int(0) {
        GET_KEYRING_ID => number(with(call, |keys, who| {
            keys.ring_id(who, first, second != 0)
        })),
        JOIN_SESSION_KEYRING => {
            let name = optional_text(call.word(1))?;
            number(with(call, |keys, who| {
                keys.join_session(who, name.as_deref())
            }))
        }
        UPDATE => done(update(call)),
        REVOKE => done(with(call, |keys, who| keys.revoke(who, first))),
        CHOWN => done(chown(call)),
        SETPERM => {
            let perm = call.uint(2);
            done(with(call, |keys, who| keys.set_perm(who, first, perm)))
        }
        DESCRIBE => {
            let bytes = with(call, |keys, who| keys.describe(who, first))?;
            store(&bytes, call.word(2), call.word(3))
        }
        CLEAR => done(with(call, |keys, who| keys.clear_ring(who, first))),
        LINK => done(with(call, |keys, who| keys.link_to(who, first, second))),
        UNLINK => done(with(call, |keys, who| keys.unlink_from(who, first, second))),
        SEARCH => number(search(call)),
        READ => {
            let bytes = with(call, |keys, who| keys.read(who, first))?;
            store(&bytes, call.word(2), call.word(3))
        }
        // Nobody has the right to make a key that was asked for.
        INSTANTIATE | NEGATE | REJECT | INSTANTIATE_IOV => Err(Errno::EPERM),
        SET_REQKEY_KEYRING => {
            with(call, |keys, who| keys.set_default(who, first)).map(|default| default as u64)
        }
        SET_TIMEOUT => {
            let seconds = call.uint(2);
            done(with(call, |keys, who| {
                keys.set_timeout(who, first, seconds)
            }))
        }
        ASSUME_AUTHORITY => match first {
            0 => Ok(0),
            ..0 => Err(Errno::EINVAL),
            _ => Err(Errno::ENOKEY),
        },
        GET_SECURITY => {
            with(call, |keys, who| keys.check_view(who, first))?;
            store(b"\0", call.word(2), call.word(3))
        }
        INVALIDATE => done(with(call, |keys, who| keys.invalidate(who, first))),
        GET_PERSISTENT => number(persistent(call)),
        MOVE => done(move_link(call)),
        CAPABILITIES => capabilities(call),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

const GET_KEYRING_ID: i32 = 0;
const JOIN_SESSION_KEYRING: i32 = 1;
const UPDATE: i32 = 2;
const REVOKE: i32 = 3;
const CHOWN: i32 = 4;
const SETPERM: i32 = 5;
const DESCRIBE: i32 = 6;
const CLEAR: i32 = 7;
const LINK: i32 = 8;
const UNLINK: i32 = 9;
const SEARCH: i32 = 10;
const READ: i32 = 11;
const INSTANTIATE: i32 = 12;
const NEGATE: i32 = 13;
const SET_REQKEY_KEYRING: i32 = 14;
const SET_TIMEOUT: i32 = 15;
const ASSUME_AUTHORITY: i32 = 16;
const GET_SECURITY: i32 = 17;
const REJECT: i32 = 19;
const INSTANTIATE_IOV: i32 = 20;
const INVALIDATE: i32 = 21;
const GET_PERSISTENT: i32 = 22;
const MOVE: i32 = 30;
const CAPABILITIES: i32 = 31;

fn update(call: &Call<'_>) -> Result<()> {
    if call.word(3) > MAX_UPDATE {
        return Err(Errno::EINVAL);
    }
    let payload = payload(call.word(2), call.word(3))?;
    with(call, |keys, who| keys.update(who, call.int(1), &payload))
}

/// An id as the caller's user namespace has it; -1 leaves it as it is. `EINVAL`.
fn given_id(call: &Call<'_>, kind: IdKind, index: usize) -> Result<Option<u32>> {
    match call.uint(index) {
        u32::MAX => Ok(None),
        id => {
            let given = |cred: &paddock_cred::Cred| cred.user_namespace.given(kind, id);
            call.thread.with_cred(given).map(Some).ok_or(Errno::EINVAL)
        }
    }
}

fn chown(call: &Call<'_>) -> Result<()> {
    let uid = given_id(call, IdKind::User, 2)?;
    let gid = given_id(call, IdKind::Group, 3)?;
    with(call, |keys, who| keys.chown(who, call.int(1), (uid, gid)))
}

fn search(call: &Call<'_>) -> Result<Serial> {
    let name = kind_name(call.word(2))?;
    let description = text(call.word(3))?;
    let kind = Kind::named(&name).map_err(|_| Errno::ENOKEY)?;
    let (ring, dest) = (call.int(1), call.int(4));
    with(call, |keys, who| {
        keys.search_in(who, ring, (kind, &description), dest)
    })
}

fn persistent(call: &Call<'_>) -> Result<Serial> {
    let own = call.thread.with_cred(|cred| cred.uid.real);
    let uid = given_id(call, IdKind::User, 1)?.unwrap_or(own);
    with(call, |keys, who| keys.persistent(who, uid, call.int(2)))
}

fn move_link(call: &Call<'_>) -> Result<()> {
    /// `KEYCTL_MOVE_EXCL`.
    const EXCLUSIVE: u32 = 1;
    let flags = call.uint(4);
    if flags & !EXCLUSIVE != 0 {
        return Err(Errno::EINVAL);
    }
    let rings = (call.int(2), call.int(3));
    with(call, |keys, who| {
        keys.move_link(who, call.int(1), rings, flags != 0)
    })
}

/// What there is: telling that, persistent keyrings, invalidation, moving.
const ABILITIES: [u8; 2] = [0x01 | 0x02 | 0x20 | 0x80, 0];

fn capabilities(call: &Call<'_>) -> Result<u64> {
    let (address, room) = (call.word(1), call.word(2));
    if address != 0 {
        let fits = room.min(ABILITIES.len() as u64);
        copy_to_user(address, &ABILITIES[..fits as usize])?;
        for behind in fits..room {
            let place = address.checked_add(behind).ok_or(Errno::EFAULT)?;
            UserPtr::<u8>::new(place).write(&0)?;
        }
    }
    Ok(ABILITIES.len() as u64)
}
