//! `/proc/sys`: what there is to know; few things can be set here.

use super::text::{Text, file, given_number};
use crate::console::LEVELS;
use crate::memory::frames;
use crate::net::space;
use crate::process::{
    accounts, acct, aio, current, keys, leases, limits, limits::NR_OPEN, namespaces, reclaim, tree,
    uts, vfs,
};
use crate::{config, machine, net, random, violations};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::{Errno, Result};
use paddock_console::MOST;
use paddock_cred::{Cap, NGROUPS_MAX, OVERFLOW_ID, max_user_namespaces, set_max_user_namespaces};
use paddock_ipc::{mq, msg, sem, shm};
use paddock_mem::MAX_AREAS;
use paddock_process::PIPE_MAX;
use paddock_sync::OnceCell;
use paddock_vfs::notify::{FOLDERS_TELL, MAX_EVENTS, MAX_INSTANCES, MAX_WATCHES, fanotify};
use paddock_vfs::proc_fs::{ProcFile, ProcNode, StaticDir};
use paddock_vfs::{OpenFile, PAGE_SIZE};

/// What a filter of system calls may decide, the strictest first.
const ACTIONS: &[u8] = b"kill_process kill_thread trap errno trace log allow\n";
/// The largest queue of connections that listen(2) makes.
const SOMAXCONN: u32 = 4096;

static BOOT_ID: OnceCell<[u8; 16]> = OnceCell::new();

fn number(value: fn() -> u64) -> ProcNode {
    ProcNode::text(move |out| Text::new(out).put(format_args!("{}\n", value())))
}

pub fn directory() -> StaticDir {
    StaticDir::new()
        .with("fs", ProcNode::dir(fs_directory()))
        .with("kernel", ProcNode::dir(kernel_directory()))
        .with("net", ProcNode::dir(net_directory()))
        .with("user", ProcNode::dir(user_directory()))
        .with("vm", ProcNode::dir(vm_directory()))
}

fn kernel_directory() -> StaticDir {
    let random = StaticDir::new()
        .with("boot_id", file(boot_id))
        // What Linux's generator says once it has its seed, as this one has from the start.
        .with("entropy_avail", file(|out| out.bytes(b"256\n")))
        .with("poolsize", file(|out| out.bytes(b"256\n")))
        .with("uuid", file(fresh_uuid));
    let seccomp = StaticDir::new().with("actions_avail", file(|out| out.bytes(ACTIONS)));
    StaticDir::new()
        .with("keys", ProcNode::dir(keys_directory()))
        .with("dmesg_restrict", file(|out| out.bytes(b"1\n")))
        .with("hostname", ProcNode::file(Hostname).with_mode(0o644))
        .with(
            "osrelease",
            file(|out| out.put(format_args!("{}\n", config::RELEASE))),
        )
        .with(
            "ostype",
            file(|out| out.put(format_args!("{}\n", machine::sysname()))),
        )
        .with(
            "version",
            file(|out| out.put(format_args!("{}\n", config::VERSION))),
        )
        .with(
            "cap_last_cap",
            number(|| Cap::CAP_CHECKPOINT_RESTORE as u64),
        )
        .with("overflowgid", number(|| u64::from(OVERFLOW_ID)))
        .with("overflowuid", number(|| u64::from(OVERFLOW_ID)))
        .with("seccomp", ProcNode::dir(seccomp))
        .with("ngroups_max", number(|| NGROUPS_MAX as u64))
        .with("threads-max", number(|| limits::threads_max() as u64))
        .with("pid_max", ProcNode::file(MostPids).with_mode(0o644))
        .with("domainname", ProcNode::file(Domainname).with_mode(0o644))
        .with("printk", ProcNode::file(MessageLevels).with_mode(0o644))
        .with("random", ProcNode::dir(random))
        .with("acct", ProcNode::file(Accounting).with_mode(0o644))
        .with("tainted", number(taints))
        .with("msgmax", setting(&MSGMAX))
        .with("msgmnb", setting(&MSGMNB))
        .with("msgmni", setting(&MSGMNI))
        .with("sem", file(semaphores))
        .with(
            "shmall",
            ProcNode::file(Wide(&shm::SHMALL)).with_mode(0o644),
        )
        .with(
            "shmmax",
            ProcNode::file(Wide(&shm::SHMMAX)).with_mode(0o644),
        )
        .with("shmmni", setting(&SHMMNI))
        .with("shm_rmid_forced", number(|| 0))
}

/// What a user may have of keys (keyrings(7)).
fn keys_directory() -> StaticDir {
    StaticDir::new()
        .with("gc_delay", setting(&KEYS_GC_DELAY))
        .with("maxbytes", setting(&KEYS_MAXBYTES))
        .with("maxkeys", setting(&KEYS_MAXKEYS))
        .with("root_maxbytes", setting(&KEYS_ROOT_MAXBYTES))
        .with("root_maxkeys", setting(&KEYS_ROOT_MAXKEYS))
}

/// A setting of key management.
macro_rules! of_keys {
    ($name:ident, $field:ident) => {
        static $name: Setting = Setting {
            get: || u64::from(keys::limits().$field),
            set: |value| keys::change_limits(|limits| limits.$field = value),
            most: i32::MAX as u32,
        };
    };
}

of_keys!(KEYS_GC_DELAY, gc_delay);
of_keys!(KEYS_MAXBYTES, maxbytes);
of_keys!(KEYS_MAXKEYS, maxkeys);
of_keys!(KEYS_ROOT_MAXBYTES, root_maxbytes);
of_keys!(KEYS_ROOT_MAXKEYS, root_maxkeys);

/// What a user may have of namespaces.
fn user_directory() -> StaticDir {
    let most = ProcNode::file(MaxUserNamespaces).with_mode(0o644);
    StaticDir::new()
        .with("max_fanotify_groups", setting(&FANOTIFY_GROUPS))
        .with("max_fanotify_marks", setting(&FANOTIFY_MARKS))
        .with("max_inotify_instances", setting(&INOTIFY_INSTANCES))
        .with("max_inotify_watches", setting(&INOTIFY_WATCHES))
        .with("max_user_namespaces", most)
}

/// What has befallen the kernel (`tainted`): 512 if a rule of its own was broken.
fn taints() -> u64 {
    const WARNED: u64 = 1 << 9;
    match violations::count() {
        0 => 0,
        _ => WARNED,
    }
}

/// `acct`: when process accounting rests for want of space (acct(2)).
struct Accounting;

impl ProcFile for Accounting {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let [resume, suspend, seconds] = acct::SETTINGS.each_ref().map(|it| it.load(Relaxed));
        Text::new(out).put(format_args!("{resume}\t{suspend}\t{seconds}\n"))
    }

    /// Up to three numbers. `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        let words = data.split(u8::is_ascii_whitespace);
        let words = words.filter(|word| !word.is_empty());
        for (place, word) in acct::SETTINGS.iter().zip(words) {
            place.store(given_number(word)?, Relaxed);
        }
        Ok(data.len())
    }
}

/// `max_user_namespaces` (namespaces(7)): how many a user of the initial namespace has at
/// most, with those that are made in them.
struct MaxUserNamespaces;

impl ProcFile for MaxUserNamespaces {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        Text::new(out).put(format_args!("{}\n", max_user_namespaces()))
    }

    /// A number. `EPERM` without CAP_SYS_RESOURCE, `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        if let Some(thread) = current() {
            thread.with_cred(|cred| cred.require(Cap::CAP_SYS_RESOURCE))?;
        }
        set_max_user_namespaces(given_number(data)?);
        Ok(data.len())
    }
}

fn vm_directory() -> StaticDir {
    // Memory is promised without being set aside.
    StaticDir::new()
        .with(
            "admin_reserve_kbytes",
            file(|out| out.put(format_args!("{}\n", frames::reserves().1 / 1024))),
        )
        .with(
            "min_free_kbytes",
            file(|out| out.put(format_args!("{}\n", frames::reserves().0 / 1024))),
        )
        .with("drop_caches", ProcNode::file(DropCaches).with_mode(0o200))
        .with("max_map_count", number(|| MAX_AREAS as u64))
        .with("overcommit_memory", file(|out| out.bytes(b"1\n")))
}

fn fs_directory() -> StaticDir {
    let mqueue = StaticDir::new()
        .with("msg_default", number(|| mq::MSG_MAX))
        .with("msg_max", number(|| mq::MSG_MAX))
        .with("msgsize_default", number(|| mq::MSGSIZE_MAX))
        .with("msgsize_max", number(|| mq::MSGSIZE_MAX))
        .with("queues_max", number(|| mq::QUEUES_MAX as u64));
    let inotify = StaticDir::new()
        .with("max_queued_events", number(|| MAX_EVENTS as u64))
        .with("max_user_instances", setting(&INOTIFY_INSTANCES))
        .with("max_user_watches", setting(&INOTIFY_WATCHES));
    let fanotify = StaticDir::new()
        .with("max_queued_events", setting(&FANOTIFY_EVENTS))
        .with("max_user_groups", setting(&FANOTIFY_GROUPS))
        .with("max_user_marks", setting(&FANOTIFY_MARKS));
    StaticDir::new()
        .with("aio-max-nr", setting(&AIO_MAX_NR))
        .with("aio-nr", number(aio::wanted))
        .with("dir-notify-enable", setting(&DIR_NOTIFY_ENABLE))
        .with("fanotify", ProcNode::dir(fanotify))
        .with("inotify", ProcNode::dir(inotify))
        .with("lease-break-time", setting(&LEASE_BREAK_TIME))
        .with("leases-enable", setting(&LEASES_ENABLE))
        .with("mqueue", ProcNode::dir(mqueue))
        // Nothing bounds them but memory.
        .with("file-max", number(|| i64::MAX as u64))
        .with(
            "file-nr",
            file(|out| out.put(format_args!("{}\t0\t{}\n", OpenFile::count(), i64::MAX))),
        )
        .with("nr_open", number(|| NR_OPEN))
        .with("overflowgid", number(|| u64::from(OVERFLOW_ID)))
        .with("overflowuid", number(|| u64::from(OVERFLOW_ID)))
        .with("pipe-max-size", setting(&PIPE_MAX_SIZE))
        .with("pipe-user-pages-hard", file(|out| out.bytes(b"0\n")))
        .with("pipe-user-pages-soft", setting(&PIPE_SOFT_PAGES))
}

/// A number that whoever may write the file sets.
struct Setting {
    get: fn() -> u64,
    set: fn(u32),
    most: u32,
}

static LEASE_BREAK_TIME: Setting = Setting {
    get: || u64::from(leases::BREAK_SECONDS.load(Relaxed)),
    set: |seconds| leases::BREAK_SECONDS.store(seconds, Relaxed),
    most: i32::MAX as u32,
};
static DIR_NOTIFY_ENABLE: Setting = Setting {
    get: || u64::from(FOLDERS_TELL.load(Relaxed)),
    set: |on| FOLDERS_TELL.store(on != 0, Relaxed),
    most: i32::MAX as u32,
};
static PIPE_MAX_SIZE: Setting = Setting {
    get: || accounts::PIPE_MAX_SIZE.load(Relaxed) as u64,
    set: |bytes| {
        let size = (bytes as usize).max(PAGE_SIZE).next_power_of_two();
        accounts::PIPE_MAX_SIZE.store(size, Relaxed);
    },
    most: PIPE_MAX as u32,
};
static PIPE_SOFT_PAGES: Setting = Setting {
    get: || match accounts::pipe_user_pages_soft() {
        usize::MAX => 0,
        pages => pages as u64,
    },
    set: |pages| accounts::SOFT_PAGES.store(pages as usize, Relaxed),
    most: i32::MAX as u32,
};
static MSGMAX: Setting = Setting {
    get: || msg::MSGMAX.load(Relaxed) as u64,
    set: |most| msg::MSGMAX.store(most as usize, Relaxed),
    most: MOST_MESSAGE,
};
static MSGMNB: Setting = Setting {
    get: || msg::MSGMNB.load(Relaxed) as u64,
    set: |most| msg::MSGMNB.store(most as usize, Relaxed),
    most: i32::MAX as u32,
};
static MSGMNI: Setting = Setting {
    get: || msg::MSGMNI.load(Relaxed).into(),
    set: |most| msg::MSGMNI.store(most, Relaxed),
    most: MOST_OBJECTS,
};
static SHMMNI: Setting = Setting {
    get: || shm::SHMMNI.load(Relaxed).into(),
    set: |most| shm::SHMMNI.store(most, Relaxed),
    most: MOST_OBJECTS,
};
/// The most objects of one kind that System V's IPC has, whatever is set.
const MOST_OBJECTS: u32 = 32_768;
/// The longest message, likewise, in bytes.
const MOST_MESSAGE: u32 = 65_536;
static AIO_MAX_NR: Setting = Setting {
    get: || aio::MOST.load(Relaxed),
    set: |most| aio::MOST.store(most.into(), Relaxed),
    most: u32::MAX,
};
static FANOTIFY_EVENTS: Setting = Setting {
    get: || fanotify::MAX_EVENTS.load(Relaxed).into(),
    set: |most| fanotify::MAX_EVENTS.store(most, Relaxed),
    most: i32::MAX as u32,
};
static FANOTIFY_GROUPS: Setting = Setting {
    get: || fanotify::MAX_GROUPS.load(Relaxed).into(),
    set: |most| fanotify::MAX_GROUPS.store(most, Relaxed),
    most: i32::MAX as u32,
};
static FANOTIFY_MARKS: Setting = Setting {
    get: || fanotify::MAX_MARKS.load(Relaxed).into(),
    set: |most| fanotify::MAX_MARKS.store(most, Relaxed),
    most: i32::MAX as u32,
};
static INOTIFY_INSTANCES: Setting = Setting {
    get: || MAX_INSTANCES.load(Relaxed).into(),
    set: |most| MAX_INSTANCES.store(most, Relaxed),
    most: i32::MAX as u32,
};
static INOTIFY_WATCHES: Setting = Setting {
    get: || MAX_WATCHES.load(Relaxed).into(),
    set: |most| MAX_WATCHES.store(most, Relaxed),
    most: i32::MAX as u32,
};
static LEASES_ENABLE: Setting = Setting {
    get: || u64::from(leases::ENABLED.load(Relaxed)),
    set: |on| leases::ENABLED.store(on != 0, Relaxed),
    most: 1,
};

struct SettingFile(&'static Setting);

fn setting(setting: &'static Setting) -> ProcNode {
    ProcNode::file(SettingFile(setting)).with_mode(0o644)
}

impl ProcFile for SettingFile {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        Text::new(out).put(format_args!("{}\n", (self.0.get)()))
    }

    /// A number. `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        let number = given_number(data)?;
        if number > self.0.most {
            return Err(Errno::EINVAL);
        }
        (self.0.set)(number);
        Ok(data.len())
    }
}

/// A number of 64 bits.
struct Wide(&'static AtomicU64);

impl ProcFile for Wide {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        Text::new(out).put(format_args!("{}\n", self.0.load(Relaxed)))
    }

    /// A number. `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        self.0.store(given_number(data)?, Relaxed);
        Ok(data.len())
    }
}

/// `pid_max` (proc_sys_kernel(5)): one more than the largest number that is given out.
struct MostPids;

impl ProcFile for MostPids {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let most = tree().lock().most();
        Text::new(out).put(format_args!("{}\n", most + 1))
    }

    /// A number. `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        let most: u32 = given_number(data)?;
        tree().lock().set_most(most.saturating_sub(1))?;
        Ok(data.len())
    }
}

/// `printk` (proc_sys_kernel(5)): what the console shows, in four levels.
struct MessageLevels;

impl ProcFile for MessageLevels {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        let [console, message, minimum, default] = LEVELS.all();
        Text::new(out).put(format_args!("{console}\t{message}\t{minimum}\t{default}\n"))
    }

    /// The first one, or more, each up to 8. `EPERM` without CAP_SYS_ADMIN; `EINVAL`.
    fn write(&self, data: &[u8]) -> Result<usize> {
        if let Some(thread) = current() {
            thread.with_cred(|cred| cred.require(Cap::CAP_SYS_ADMIN))?;
        }
        let mut levels = [0; 4];
        let mut given = 0;
        let words = data.split(u8::is_ascii_whitespace);
        for word in words.filter(|word| !word.is_empty()).take(levels.len()) {
            levels[given] = given_number(word)?;
            given += 1;
        }
        if given == 0 || levels.iter().any(|&level| level > MOST) {
            return Err(Errno::EINVAL);
        }
        LEVELS.set_all(&levels[..given]);
        Ok(data.len())
    }
}

fn net_directory() -> StaticDir {
    let core = StaticDir::new().with(
        "somaxconn",
        file(|out| out.put(format_args!("{SOMAXCONN}\n"))),
    );
    let unprivileged = ProcNode::file(UnprivilegedPorts).with_mode(0o644);
    let ipv4 = StaticDir::new()
        .with(
            "ip_local_port_range",
            file(|out| {
                let (first, last) = net::EPHEMERAL.into_inner();
                out.put(format_args!("{first}\t{last}\n"))
            }),
        )
        .with("ip_unprivileged_port_start", unprivileged);
    StaticDir::new()
        .with("core", ProcNode::dir(core))
        .with("ipv4", ProcNode::dir(ipv4))
}

/// `/proc/sys/net/ipv4/ip_unprivileged_port_start` (ip(7)): ports below it are for those
/// with CAP_NET_BIND_SERVICE.
struct UnprivilegedPorts;

impl ProcFile for UnprivilegedPorts {
    fn generate(&self, out: &mut Vec<u8>) -> Result<()> {
        Text::new(out).put(format_args!("{}\n", space::own().first_unprivileged()))
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        space::own().set_first_unprivileged(given_number(data)?)?;
        Ok(data.len())
    }
}

/// `/proc/sys/vm/drop_caches` (proc_sys_vm(5)): 1 drops clean pages of files,
/// 2 names and metadata, 3 both.
struct DropCaches;

impl ProcFile for DropCaches {
    fn generate(&self, _: &mut Vec<u8>) -> Result<()> {
        Err(Errno::EACCES)
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let what = match data.trim_ascii() {
            b"1" => 1,
            b"2" => 2,
            b"3" => 3,
            _ => return Err(Errno::EINVAL),
        };
        // Names first: they keep inodes, and those keep pages.
        if what & 2 != 0 {
            // What cannot be written has stopped its filesystem, and is told there.
            let _ = vfs::namespace().checkpoint();
            reclaim::drop_names();
        }
        if what & 1 != 0 {
            reclaim::drop_pages();
        }
        Ok(data.len())
    }
}

/// The limits of semaphores: in a set, of all, operations in a call, sets.
fn semaphores(out: &mut Text<'_>) -> Result<()> {
    let (in_set, all, operations, sets) = (sem::SEMMSL, sem::SEMMNS, sem::SEMOPM, sem::SEMMNI);
    out.put(format_args!("{in_set}\t{all}\t{operations}\t{sets}\n"))
}

/// The host's name, which who may write here sets.
struct Hostname;

impl ProcFile for Hostname {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        let mut out = Text::new(text);
        out.bytes(&namespaces::uts().hostname()?)?;
        out.bytes(b"\n")
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let name = data.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let name = name.get(..uts::NAME_MAX).unwrap_or(name);
        namespaces::uts().set_hostname(paddock_sync::try_copy(name)?);
        Ok(data.len())
    }
}

/// The domain's name, likewise.
struct Domainname;

impl ProcFile for Domainname {
    fn generate(&self, text: &mut Vec<u8>) -> Result<()> {
        let mut out = Text::new(text);
        out.bytes(&namespaces::uts().domain()?)?;
        out.bytes(b"\n")
    }

    fn write(&self, data: &[u8]) -> Result<usize> {
        let name = data.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let name = name.get(..uts::NAME_MAX).unwrap_or(name);
        namespaces::uts().set_domain(paddock_sync::try_copy(name)?);
        Ok(data.len())
    }
}

/// A random UUID (RFC 9562, version 4).
fn new_uuid() -> [u8; 16] {
    let mut bytes = [0; 16];
    random::fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

fn put_uuid(out: &mut Text<'_>, bytes: &[u8; 16]) -> Result<()> {
    for (at, byte) in bytes.iter().enumerate() {
        let hyphen = if matches!(at, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        out.put(format_args!("{hyphen}{byte:02x}"))?;
    }
    out.bytes(b"\n")
}

fn fresh_uuid(out: &mut Text<'_>) -> Result<()> {
    put_uuid(out, &new_uuid())
}

fn boot_id(out: &mut Text<'_>) -> Result<()> {
    // Whoever comes first decides.
    let _ = BOOT_ID.set(new_uuid());
    put_uuid(out, BOOT_ID.get().unwrap_or(&[0; 16]))
}
