//! What `/proc` tells of a process and of the system's limits.

use std::collections::HashMap;
use std::fs;

use super::Outcome;
use crate::report::Report;
use crate::sys;

pub fn run(report: &mut Report, _: &[String]) -> Outcome {
    checks(report).map_err(|error| error.to_string())
}

fn checks(report: &mut Report) -> std::io::Result<()> {
    auxiliary_vector(report)?;
    memory(report)?;
    present(report);
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let unified = |line: &str| line.starts_with("0::/");
    report.check("cgroup", groups.is_empty() || groups.lines().any(unified));
    let areas = number("/proc/sys/vm/max_map_count")?;
    report.check("max_map_count", areas.is_some_and(|areas| areas >= 65_530));
    thread(report)?;
    counted(report)?;
    ports(report)
}

/// A thread is found by its number, but not listed.
fn thread(report: &mut Report) -> std::io::Result<()> {
    let looked = std::thread::spawn(|| {
        let tid = sys::tid().to_string();
        let stat = fs::read_to_string(format!("/proc/{tid}/stat"))?;
        let names = fs::read_dir("/proc")?.flatten();
        let listed = names
            .map(|entry| entry.file_name())
            .any(|name| *name == *tid);
        Ok((stat.starts_with(&format!("{tid} (")), listed))
    });
    let looked: std::io::Result<_> = looked.join().unwrap_or(Ok((false, true)));
    report.same(
        "a thread's number is found, not listed",
        looked?,
        (true, false),
    );
    Ok(())
}

/// The vector in memory, which the C library reads, and the file agree.
fn auxiliary_vector(report: &mut Report) -> std::io::Result<()> {
    let bytes = fs::read("/proc/self/auxv")?;
    let word = |at: usize| {
        let bytes = bytes[at..at + 8].try_into();
        bytes.map_or(0, u64::from_le_bytes)
    };
    report.same("auxv is of pairs", bytes.len() % 16, 0);
    let pairs: HashMap<u64, u64> = (0..bytes.len() / 16)
        .map(|pair| (word(pair * 16), word(pair * 16 + 8)))
        .collect();
    report.check("auxv ends with AT_NULL", pairs.contains_key(&libc::AT_NULL));
    for key in [
        libc::AT_PHDR,
        libc::AT_PHNUM,
        libc::AT_ENTRY,
        libc::AT_PAGESZ,
        libc::AT_RANDOM,
        libc::AT_EXECFN,
        libc::AT_UID,
    ] {
        // SAFETY: reads the vector of this process.
        let known = unsafe { libc::getauxval(key) };
        report.same("auxv", pairs.get(&key).copied(), Some(known));
    }
    Ok(())
}

/// Files that tools and language runtimes read say something.
fn present(report: &mut Report) {
    for path in [
        "/proc/diskstats",
        "/proc/self/io",
        "/proc/self/smaps",
        "/proc/self/smaps_rollup",
        "/proc/self/wchan",
        "/proc/sys/fs/file-max",
        "/proc/vmstat",
        "/sys/class/net/lo/address",
        "/sys/devices/system/cpu/cpu0/topology/core_id",
        "/sys/devices/system/cpu/online",
    ] {
        let text = fs::read(path).unwrap_or_default();
        report.check(path, !text.is_empty());
    }
}

/// Page faults and open files are counted.
fn counted(report: &mut Report) -> std::io::Result<()> {
    const PAGES: usize = 64;
    let faults = || -> std::io::Result<u64> {
        let text = fs::read_to_string("/proc/vmstat")?;
        let line = text.lines().find_map(|line| line.strip_prefix("pgfault "));
        Ok(line.and_then(|rest| rest.parse().ok()).unwrap_or(0))
    };
    let before = faults()?;
    let map = sys::Map::memory(PAGES * 4096);
    let map = map.map_err(|error| std::io::Error::other(format!("{error:?}")))?;
    (0..PAGES).for_each(|page| map.write(page * 4096, 1));
    report.check("faults are counted", faults()? > before);
    let text = fs::read_to_string("/proc/sys/fs/file-nr")?;
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    report.same("file-nr has three numbers", numbers.len(), 3);
    report.check("this program has some open", numbers[0] > 0);
    report.same("none is unused", numbers[1], 0);
    let most = number("/proc/sys/fs/file-max")?;
    report.same("and so many may be", Some(numbers[2]), most);
    report.check(
        "the generator has its seed",
        number("/proc/sys/kernel/random/entropy_avail")? >= Some(256),
    );
    Ok(())
}

/// The peak of resident memory stays when memory is given back.
fn memory(report: &mut Report) -> std::io::Result<()> {
    const KIB: u64 = 8 << 10;
    let before = of_status("VmHWM")?;
    let touched = vec![1u8; (KIB << 10) as usize];
    std::hint::black_box(&touched);
    let during = of_status("VmRSS")?;
    drop(touched);
    let (peak, after) = (of_status("VmHWM")?, of_status("VmRSS")?);
    report.check("VmHWM grows", peak >= before + KIB / 2);
    report.check("VmHWM stays", peak >= during.min(after + KIB / 2));
    report.same("VmSwap", of_status("VmSwap")?, 0);
    Ok(())
}

/// A figure of `/proc/self/status`, in KiB.
fn of_status(name: &str) -> std::io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
    figure.ok_or_else(|| std::io::Error::other(format!("{name} is missing")))
}

fn number(path: &str) -> std::io::Result<Option<u64>> {
    Ok(fs::read_to_string(path)?.trim().parse().ok())
}

/// A port of the system's choice is one of those it says.
fn ports(report: &mut Report) -> std::io::Result<()> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let bounds: Vec<u16> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    report.check(
        "ip_local_port_range",
        bounds.len() == 2 && (bounds[0]..=bounds[1]).contains(&port),
    );
    Ok(())
}
