//! `/proc/config.gz`: which of the options that Linux is built with this kernel has, for
//! programs that ask before they try.

use super::text::Text;
use alloc::vec::Vec;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use paddock_abi::{Errno, Result};
use paddock_vfs::proc_fs::ProcNode;

/// What is there.
const THERE: &[&str] = &[
    "64BIT",
    "ADVISE_SYSCALLS",
    "AIO",
    "ARM64",
    "ARM64_4K_PAGES",
    "BINFMT_ELF",
    "BINFMT_SCRIPT",
    "BLK_DEV_INITRD",
    "BLK_DEV_LOOP",
    "BSD_PROCESS_ACCT",
    "BSD_PROCESS_ACCT_V3",
    "CGROUPS",
    "CGROUP_PIDS",
    "CROSS_MEMORY_ATTACH",
    "DEVTMPFS",
    "DNOTIFY",
    "EPOLL",
    "EVENTFD",
    "EXT4_FS",
    "FANOTIFY",
    "FANOTIFY_ACCESS_PERMISSIONS",
    "FHANDLE",
    "FILE_LOCKING",
    "FUTEX",
    "FUTEX_PI",
    "HIGH_RES_TIMERS",
    "INET",
    "INOTIFY_USER",
    "IPC_NS",
    "IPV6",
    "KCMP",
    "KEYS",
    "MEMBARRIER",
    "MEMCG",
    "MEMFD_CREATE",
    "MMU",
    "MULTIUSER",
    "NAMESPACES",
    "NET",
    "NET_NS",
    "NUMA",
    "PID_NS",
    "POSIX_MQUEUE",
    "POSIX_MQUEUE_SYSCTL",
    "POSIX_TIMERS",
    "PRINTK",
    "PROC_FS",
    "PROC_SYSCTL",
    "SECCOMP",
    "SECCOMP_FILTER",
    "SERIAL_AMBA_PL011",
    "SHMEM",
    "SIGNALFD",
    "SMP",
    "SYSCTL",
    "SYSFS",
    "SYSVIPC",
    "SYSVIPC_SYSCTL",
    "TASK_IO_ACCOUNTING",
    "TIMERFD",
    "TMPFS",
    "TTY",
    "UNIX",
    "UNIX98_PTYS",
    "USER_NS",
    "UTS_NS",
    "VIRTIO",
    "VIRTIO_BLK",
    "VIRTIO_NET",
];

/// What programs ask for, too, and is not.
const NOT_THERE: &[&str] = &[
    "AUDIT",
    "BPF_SYSCALL",
    "CHECKPOINT_RESTORE",
    "COMPAT",
    "COREDUMP",
    "EXT4_USE_FOR_EXT2",
    "HUGETLBFS",
    "HUGETLB_PAGE",
    "IO_URING",
    "KEXEC",
    "KSM",
    "MODULES",
    "OVERLAY_FS",
    "PERF_EVENTS",
    "QUOTA",
    "RSEQ",
    "SECRETMEM",
    "SECURITY",
    "SWAP",
    "TIME_NS",
    "TRANSPARENT_HUGEPAGE",
    "USERFAULTFD",
];

/// `config.gz`.
pub fn options() -> ProcNode {
    ProcNode::text(|out| compressed(out, &text()?))
}

fn text() -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut out = Text::new(&mut text);
    out.bytes(b"# Those of Linux's options that this kernel has\n")?;
    for name in THERE {
        out.put(format_args!("CONFIG_{name}=y\n"))?;
    }
    for name in NOT_THERE {
        out.put(format_args!("# CONFIG_{name} is not set\n"))?;
    }
    Ok(text)
}

/// That of gzip(1), which is wanted too seldom to be fast.
static CRC32: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// As gzip(1) has it (RFC 1952), in one block that is as it was (RFC 1951, 3.2.4).
fn compressed(out: &mut Vec<u8>, text: &[u8]) -> Result<()> {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    const LAST_BLOCK: u8 = 1;
    let length = u16::try_from(text.len()).map_err(|_| Errno::EFBIG)?;
    let mut out = Text::new(out);
    out.bytes(&HEAD)?;
    out.bytes(&[LAST_BLOCK])?;
    out.bytes(&length.to_le_bytes())?;
    out.bytes(&(!length).to_le_bytes())?;
    out.bytes(text)?;
    out.bytes(&CRC32.checksum(text).to_le_bytes())?;
    out.bytes(&u32::from(length).to_le_bytes())
}
