//! On which nodes memory is taken, where there is one: set_mempolicy(2), mbind(2),
//! move_pages(2) and their kin.

use super::Outcome;
use super::errors::{raw, refused};
use crate::report::Report;
use crate::sys::{self, End, Errno, Map};
use std::path::Path;

const DEFAULT: i32 = 0;
const PREFERRED: i32 = 1;
const BIND: i32 = 2;
const INTERLEAVE: i32 = 3;
const LOCAL: i32 = 4;
const STATIC_NODES: i32 = 1 << 15;
const RELATIVE_NODES: i32 = 1 << 14;
const F_NODE: u64 = 1;
const F_ADDR: u64 = 2;
const F_MEMS_ALLOWED: u64 = 4;
const SET_HOME_NODE: i64 = 450;

const NOBODY: i32 = 0x3fff_fffe;
const BAD: usize = 8;
const NONE: usize = 0;
/// Bits of a mask.
const BITS: u64 = 64;

/// The mode and the nodes that are told.
fn told(address: u64, flags: u64) -> Result<(i32, u64), Errno> {
    let mut mode = -1;
    // More bits than there are nodes anywhere.
    let mut words = [u64::MAX; 16];
    let (place, mask) = (&raw mut mode, words.as_mut_ptr());
    raw!(SYS_get_mempolicy, place, mask, 1024 + 1, address, flags)?;
    Ok((mode, words[0]))
}

fn set(mode: i32, nodes: u64) -> Result<i64, Errno> {
    raw!(SYS_set_mempolicy, mode, &raw const nodes, BITS + 1)
}

fn bind(map: &Map, mode: i32, nodes: u64, flags: i32) -> Result<i64, Errno> {
    let nodes = &raw const nodes;
    raw!(
        SYS_mbind,
        map.start,
        map.length,
        mode,
        nodes,
        BITS + 1,
        flags
    )
}

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    if told(0, 0) == Err(Errno(libc::ENOSYS)) {
        println!("memory has no nodes here");
        report.check("that is Linux", !Path::new("/proc/paddock").exists());
        return Ok(());
    }
    if told(0, F_MEMS_ALLOWED).map(|it| it.1) != Ok(1) {
        println!("there are several nodes");
        return Ok(());
    }
    threads(report);
    areas(report)?;
    pages(report)
}

fn threads(report: &mut Report) {
    report.same("the default", told(0, 0), Ok((DEFAULT, 0)));
    for (what, mode, nodes, after) in [
        ("bound", BIND, 1, (BIND, 1)),
        ("by turns", INTERLEAVE, 1, (INTERLEAVE, 1)),
        ("preferred", PREFERRED, 1, (PREFERRED, 1)),
        ("where it runs", PREFERRED, 0, (LOCAL, 0)),
        ("the same", LOCAL, 0, (LOCAL, 0)),
        ("fixed", BIND | STATIC_NODES, 3, (BIND | STATIC_NODES, 3)),
        (
            "counted",
            BIND | RELATIVE_NODES,
            4,
            (BIND | RELATIVE_NODES, 4),
        ),
        ("as others", BIND, 3, (BIND, 1)),
    ] {
        report.same(what, set(mode, nodes), Ok(0));
        report.same("told", told(0, 0), Ok(after));
    }
    let inherited = sys::in_child(|| i32::from(told(0, 0) != Ok((BIND, 1))));
    report.same("inherited", inherited, Ok(End::Exited(0)));
    for (what, mode, nodes) in [
        ("an unknown mode", 99, 1),
        ("both ways", BIND | STATIC_NODES | RELATIVE_NODES, 1),
        ("no nodes", BIND, 0),
        ("no node that there is", BIND, 2),
        ("nodes of the default", DEFAULT, 1),
        ("local nodes", LOCAL, 1),
        ("fixed to none", PREFERRED | STATIC_NODES, 0),
    ] {
        report.refused(what, set(mode, nodes), libc::EINVAL);
    }
    refused!(report;
        "nowhere": SYS_set_mempolicy(BIND, BAD, BITS + 1) => EFAULT;
        "nowhere": SYS_get_mempolicy(BAD, NONE, 0, NONE, 0) => EFAULT;
        "an unknown flag": SYS_get_mempolicy(NONE, NONE, 0, NONE, 8) => EINVAL;
        "no address": SYS_get_mempolicy(NONE, NONE, 0, 4096, 0) => EINVAL;
        "not mapped": SYS_get_mempolicy(NONE, NONE, 0, NONE, F_ADDR) => EFAULT;
        "no turns": SYS_get_mempolicy(NONE, NONE, 0, NONE, F_NODE) => EINVAL;
        "two questions": SYS_get_mempolicy(NONE, NONE, 0, NONE, F_MEMS_ALLOWED | F_NODE) => EINVAL;
    );
    report.same("the default again", set(DEFAULT, 0), Ok(0));
}

fn areas(report: &mut Report) -> Outcome {
    let map = Map::memory(4 * 4096)?;
    let at = map.address(0).addr() as u64;
    report.same("the default", told(at, F_ADDR), Ok((DEFAULT, 0)));
    report.same("bound", bind(&map, BIND, 1, 0), Ok(0));
    report.same("told", told(at + 5000, F_ADDR), Ok((BIND, 1)));
    report.same("not of others", told(0, 0), Ok((DEFAULT, 0)));
    map.write(0, 1);
    let node = told(at, F_ADDR | F_NODE).map(|it| it.0);
    report.same("its node", node, Ok(0));
    let home = |node: u64, flags: u64| {
        sys::call!(libc::syscall(
            SET_HOME_NODE,
            map.start,
            map.length,
            node,
            flags
        ))
    };
    report.same("its home", home(0, 0), Ok(0));
    report.refused("no such home", home(1, 0), libc::EINVAL);
    report.refused("a flag", home(0, 1), libc::EINVAL);
    report.same("by turns", bind(&map, INTERLEAVE, 1, 1), Ok(0));
    report.refused("no home", home(0, 0), libc::EOPNOTSUPP);
    report.refused("an unknown flag", bind(&map, BIND, 1, 1 << 6), libc::EINVAL);
    report.refused("an unknown mode", bind(&map, 99, 1, 0), libc::EINVAL);
    let odd = map.address(1);
    refused!(report;
        "no page": SYS_mbind(odd, 4096, BIND, NONE, 0, 0) => EINVAL;
        "nowhere": SYS_mbind(map.start, 4096, BIND, BAD, BITS + 1, 0) => EFAULT;
    );
    report.same(
        "nothing",
        raw!(SYS_mbind, map.start, 0, DEFAULT, NONE, 0, 0),
        Ok(0),
    );
    let hole = Map::memory(3 * 4096)?;
    let middle = hole.start.wrapping_add(4096);
    raw!(SYS_munmap, middle, 4096)?;
    report.refused("a hole", bind(&hole, BIND, 1, 0), libc::EFAULT);
    Ok(())
}

fn pages(report: &mut Report) -> Outcome {
    let map = Map::memory(2 * 4096)?;
    map.write(0, 1);
    let pages = [map.address(0), map.address(4096), std::ptr::null()];
    let mut status = [77; 3];
    let at = pages.as_ptr();
    let asked = raw!(SYS_move_pages, 0, 3, at, NONE, status.as_mut_ptr(), 0);
    report.same("asked", asked, Ok(0));
    // A page that is not there yet is ENOENT by the manual page, and EFAULT in Linux 6.1.
    if status[1] == -libc::EFAULT {
        status[1] = -libc::ENOENT;
    }
    report.same("where they are", status, [0, -libc::ENOENT, -libc::EFAULT]);
    let (here, elsewhere) = ([0; 3], [1; 3]);
    let there = raw!(
        SYS_move_pages,
        0,
        1,
        at,
        here.as_ptr(),
        status.as_mut_ptr(),
        2
    );
    report.same("to where they are", there, Ok(0));
    let (moves, status) = (elsewhere.as_ptr(), status.as_mut_ptr());
    refused!(report;
        "no such node": SYS_move_pages(0, 1, at, moves, status, 2) => ENODEV;
        "an unknown flag": SYS_move_pages(0, 1, at, NONE, status, 1) => EINVAL;
        "nobody": SYS_move_pages(NOBODY, 1, at, NONE, status, 0) => ESRCH;
        "nowhere": SYS_move_pages(0, 1, BAD, NONE, status, 0) => EFAULT;
    );
    let (one, none) = (1u64, 0u64);
    let (one, none) = (&raw const one, &raw const none);
    let moved = raw!(SYS_migrate_pages, 0, BITS + 1, one, one);
    report.same("all are there", moved, Ok(0));
    refused!(report;
        "to nowhere": SYS_migrate_pages(0, BITS + 1, one, none) => EINVAL;
        "nobody": SYS_migrate_pages(NOBODY, BITS + 1, one, one) => ESRCH;
        "nodes nowhere": SYS_migrate_pages(0, BITS + 1, BAD, one) => EFAULT;
    );
    Ok(())
}
