//! sysinfo(2), uname(2) and what /proc says of the same.
use crate::cases::contracts::prelude::*;

pub fn run(t: &mut Report) -> Outcome {
    t.refused("told nowhere", raw!(SYS_sysinfo, 8), EFAULT);
    // SAFETY: plain numbers.
    let mut found: libc::sysinfo = unsafe { std::mem::zeroed() };
    t.works("told", raw!(SYS_sysinfo, &raw mut found));
    let unit = u64::from(found.mem_unit);
    t.check("a unit", unit > 0);
    let kib = |name: &str| {
        let word = field("/proc/meminfo", name);
        word.trim_end_matches(" kB").parse::<u64>().unwrap_or(0)
    };
    t.same("all memory", found.totalram * unit / 1024, kib("MemTotal"));
    t.check(
        "some is free",
        found.freeram < found.totalram && found.freeram > 0,
    );
    t.same("swap", found.totalswap * unit / 1024, kib("SwapTotal"));
    t.check("processes", found.procs > 1);
    let uptime = text("/proc/uptime");
    let seconds = uptime
        .split('.')
        .next()
        .and_then(|it| it.parse::<f64>().ok());
    let near = seconds.is_some_and(|it| (it - found.uptime as f64).abs() <= 2.0);
    t.check("since it started", near);
    let load = text("/proc/loadavg");
    let load = load.split(' ').next().and_then(|it| it.parse::<f64>().ok());
    let told = found.loads[0] as f64 / 65_536.0;
    t.check(
        "how much there is to do",
        load.is_some_and(|it| (it - told).abs() < 1.0),
    );
    // SAFETY: plain numbers.
    let mut names: utsname = unsafe { std::mem::zeroed() };
    call!(uname(&raw mut names))?;
    let word = |bytes: &[c_char]| {
        let bytes = bytes.iter().take_while(|it| **it != 0);
        bytes.map(|it| *it as u8 as char).collect::<String>()
    };
    t.same("its name", word(&names.sysname), "Linux".into());
    t.same(
        "in /proc",
        text("/proc/sys/kernel/ostype"),
        "Linux\n".into(),
    );
    let release = text("/proc/sys/kernel/osrelease");
    t.same(
        "its version",
        format!("{}\n", word(&names.release)),
        release,
    );
    let version = text("/proc/sys/kernel/version");
    t.same(
        "when it was made",
        format!("{}\n", word(&names.version)),
        version,
    );
    Ok(())
}
