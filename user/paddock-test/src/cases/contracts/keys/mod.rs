//! Keys and keyrings.

mod key_additions;
mod key_control;
mod key_quotas;
mod key_requests;
mod key_rights;
mod key_sessions;

use super::contracts;
use crate::sys::{Errno, call};
use std::ffi::CStr;

contracts! {
    key_additions
    key_control
    key_quotas
    key_requests
    key_rights
    key_sessions
}

/// Special keyrings of keyctl(2).
const THREAD: i64 = -1;
const PROCESS: i64 = -2;
const SESSION: i64 = -3;
const USER: i64 = -4;
const USER_SESSION: i64 = -5;

/// Commands of keyctl(2).
const GET_KEYRING_ID: i64 = 0;
const JOIN_SESSION: i64 = 1;
const UPDATE: i64 = 2;
const REVOKE: i64 = 3;
const SETPERM: i64 = 5;
const DESCRIBE: i64 = 6;
const CLEAR: i64 = 7;
const LINK: i64 = 8;
const UNLINK: i64 = 9;
const SEARCH: i64 = 10;
const READ: i64 = 11;
const SET_REQKEY_KEYRING: i64 = 14;
const SET_TIMEOUT: i64 = 15;
const INVALIDATE: i64 = 21;

/// add_key(2).
fn add(kind: &CStr, name: &CStr, payload: &[u8], ring: i64) -> Result<i64, Errno> {
    let (kind, name) = (kind.as_ptr(), name.as_ptr());
    let (at, length) = (payload.as_ptr(), payload.len());
    call!(libc::syscall(
        libc::SYS_add_key,
        kind,
        name,
        at,
        length,
        ring
    ))
}

/// A key of some bytes.
fn user(name: &CStr, ring: i64) -> Result<i64, Errno> {
    add(c"user", name, b"payload", ring)
}

/// request_key(2), for a key of bytes.
fn find(name: &CStr) -> Result<i64, Errno> {
    let (kind, name) = (c"user".as_ptr(), name.as_ptr());
    call!(libc::syscall(libc::SYS_request_key, kind, name, 0i64, 0i64))
}

/// keyctl(2) with numbers.
fn control(command: i64, words: [i64; 3]) -> Result<i64, Errno> {
    let [first, second, third] = words;
    call!(libc::syscall(
        libc::SYS_keyctl,
        command,
        first,
        second,
        third
    ))
}

/// What is in a key.
fn content(key: i64) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0u8; 256];
    let (at, room) = (bytes.as_mut_ptr(), bytes.len());
    let count = call!(libc::syscall(libc::SYS_keyctl, READ, key, at, room))?;
    bytes.truncate(count as usize);
    Ok(bytes)
}

/// What is said of it.
fn described(key: i64) -> Result<String, Errno> {
    let mut bytes = vec![0u8; 256];
    let (at, room) = (bytes.as_mut_ptr(), bytes.len());
    let count = call!(libc::syscall(libc::SYS_keyctl, DESCRIBE, key, at, room))?;
    bytes.truncate((count as usize).saturating_sub(1));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
