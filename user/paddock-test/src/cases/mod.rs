//! The cases, by name.

mod adjtimex;
mod bad_pointers;
mod bench;
mod cgroup;
mod cgroup_namespaces;
mod connections;
mod contracts;
mod copies;
mod cpu_time;
mod cpus;
mod data_errors;
mod descriptors;
mod devices;
mod elf_hostile;
mod epoll;
mod errors;
mod exhaust;
mod fail_alloc;
mod fallocate;
mod fault;
mod figures;
mod file_locks;
mod files;
mod fp;
mod fuzz;
mod fuzz_calls;
mod identity;
mod inotify;
mod ipv6;
mod limits;
mod listen_fds;
mod magic_paths;
mod memory;
mod mempolicy;
mod mounts;
mod mqueue;
mod name_server;
mod namespaces;
mod netlink;
mod openat2;
mod order;
mod pid_namespaces;
mod pipes;
mod poll;
mod proc_files;
mod process_vm;
mod processes;
mod program_start;
mod ptrace;
mod raw_sockets;
mod recverr;
mod seccomp;
mod seldom;
mod signal_io;
mod signals;
mod sleep;
mod splice;
mod stream;
mod stress;
mod supervise;
mod sysv_ipc;
mod tcp;
mod tcp_reset;
mod tcp_server;
mod threads;
mod timers;
mod titles;
mod udp;
mod unix;
mod user_namespaces;
mod wait;
mod xattr;

use crate::report::Report;
use crate::sys;

/// What a case ends with: an error is a check that could not be made.
pub type Outcome = Result<(), String>;

/// One case.
pub struct Case {
    pub name: &'static str,
    pub usage: &'static str,
    pub run: fn(&mut Report, &[String]) -> Outcome,
    /// It needs no arguments and is part of `all`.
    pub alone: bool,
    /// Its own output is the result; no last line.
    pub quiet: bool,
}

const fn case(name: &'static str, run: fn(&mut Report, &[String]) -> Outcome) -> Case {
    Case {
        name,
        usage: "",
        run,
        alone: true,
        quiet: false,
    }
}

const fn tool(
    name: &'static str,
    usage: &'static str,
    run: fn(&mut Report, &[String]) -> Outcome,
) -> Case {
    Case {
        name,
        usage,
        run,
        alone: false,
        quiet: true,
    }
}

pub const CASES: &[Case] = &[
    tool("sleep", "COUNT MS", sleep::run),
    tool(
        "fault",
        "null|read-kernel|kernel|undef|recurse|oom",
        fault::run,
    ),
    tool("exit", "STATUS", processes::exit),
    tool("exec-chain", "COUNT", processes::chain),
    tool("hash-stream", "[COUNT SEED]", stream::hash),
    tool("make-stream", "COUNT SEED", stream::make),
    tool(
        "bench",
        "syscall|fork|exec|pipe|file|epoll|close|children|locks|timers|zero|null|page|stat|open|create|unlink|read|write|stream|\
         tcp|tcp-open|tcp-stream|tcp-held|udp COUNT [IDLE]",
        bench::run,
    ),
    tool("bench-disk", "FOLDER [MIB [FILES]]", bench::disk::run),
    tool(
        "exhaust",
        "pipes|sockets|tcp|bytes|names|descriptors|fork|children|zombies|threads [UID [hold]]",
        exhaust::run,
    ),
    tool("whoami", "", identity::whoami),
    tool("show-users", "", user_namespaces::show_users),
    tool("probe", "FIFO", supervise::probe),
    tool("herd-root", "ROOT COUNT COMMAND", supervise::herd_root),
    tool(
        "supervise",
        "FIFO SERVICES KILLS IDLE COMMAND",
        supervise::run,
    ),
    tool("title", "", titles::titled),
    tool("filtered", "", seccomp::filtered),
    tool("listen-fds", "[COUNT]", listen_fds::run),
    tool("ask", "PORT", listen_fds::ask),
    tool("name-server", "ADDRESS:PORT IPV4", name_server::run),
    Case {
        alone: false,
        ..case("fail-alloc", fail_alloc::run)
    },
    Case {
        usage: "BAD OTHER",
        alone: false,
        ..case("data-errors", data_errors::run)
    },
    tool("figures", "", figures::run),
    tool("stress", "SECONDS [FOLDER [WORKER...]]", stress::run),
    case("faults", fault::all),
    case("fork-cow", processes::fork_cow),
    case("exec-many", processes::exec_many),
    case("pipes", pipes::run),
    case("connections", connections::run),
    case("copies", copies::run),
    case("contracts", contracts::run),
    case("threads", threads::run),
    case("cpus", cpus::run),
    case("cpu-time", cpu_time::run),
    case("identity", identity::run),
    case("limits", limits::run),
    case("signals", signals::run),
    case("timers", timers::run),
    case("signal-io", signal_io::run),
    case("mmap", memory::run),
    case("fp", fp::run),
    case("files", files::run),
    case("file-locks", file_locks::run),
    case("openat2", openat2::run),
    case("order", order::run),
    case("process-vm", process_vm::run),
    case("proc-files", proc_files::run),
    case("titles", titles::run),
    case("program-start", program_start::run),
    case("ptrace", ptrace::run),
    case("seccomp", seccomp::run),
    case("seldom-calls", seldom::run),
    case("splice", splice::run),
    case("fallocate", fallocate::run),
    case("xattr", xattr::run),
    case("descriptors", descriptors::run),
    case("cgroup", cgroup::run),
    case("cgroup-namespaces", cgroup_namespaces::run),
    case("devices", devices::run),
    case("inotify", inotify::run),
    case("magic-paths", magic_paths::run),
    case("bad-pointers", bad_pointers::run),
    case("errors", errors::run),
    case("tcp-loopback", tcp::run),
    case("tcp-reset", tcp_reset::run),
    case("tcp-server", tcp_server::run),
    case("udp", udp::run),
    case("ipv6", ipv6::run),
    case("mempolicy", mempolicy::run),
    case("adjtimex", adjtimex::run),
    case("mounts", mounts::run),
    case("mqueue", mqueue::run),
    case("namespaces", namespaces::run),
    case("pid-namespaces", pid_namespaces::run),
    case("netlink", netlink::run),
    case("recverr", recverr::run),
    case("raw-sockets", raw_sockets::run),
    case("unix", unix::run),
    case("user-namespaces", user_namespaces::run),
    case("sysv-ipc", sysv_ipc::run),
    case("poll", poll::run),
    case("epoll", epoll::run),
    case("wait", wait::run),
    case("elf-hostile", elf_hostile::run),
    case("fuzz", fuzz::run),
    tool(
        "fuzz-calls",
        "SEED FIRST COUNT [show|trace]",
        fuzz_calls::run,
    ),
];

/// Argument number `index` as a number, or a default.
fn number<T: std::str::FromStr>(words: &[String], index: usize, default: T) -> Result<T, String> {
    match words.get(index) {
        None => Ok(default),
        Some(word) => word.parse().map_err(|_| format!("{word} is not a number")),
    }
}

/// A folder of its own for a case, below argument 0 or `/tmp`.
fn folder(words: &[String], name: &str) -> Result<std::path::PathBuf, String> {
    let base = words.first().map_or("/tmp", String::as_str);
    let folder = std::path::Path::new(base).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Closes descriptors, up to the first that cannot be.
fn close(all: &[i32]) -> Outcome {
    for &fd in all {
        sys::close(fd)?;
    }
    Ok(())
}
