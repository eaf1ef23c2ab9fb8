//! The calls, by Linux's numbers for arm64, and what kind each argument is.

use super::kinds::Kind::{self, *};

/// A call that is made.
pub struct Entry {
    pub number: u64,
    pub name: &'static str,
    pub kinds: &'static [Kind],
}

/// Calls of the kernel that are not made, and why.
#[cfg(test)]
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("adjtimex", "it sets the machine's clock"),
    ("reboot", "it ends the machine"),
];

/// Calls that end who makes them, made seldom.
pub const ENDINGS: &[u64] = &[93, 94, 139, 221, 277, 281];

macro_rules! entries {
    ($($number:literal $name:ident($($kind:expr),*);)*) => {
        &[$(Entry {
            number: $number,
            name: stringify!($name),
            kinds: &[$($kind),*],
        }),*]
    };
}

const AT: Kind = Bits(0x7f00);
const OPEN: Kind = Bits(0o37777703);
const MODE: Kind = Bits(0o7777);
const TYPE: Kind = Of(&[
    0, 0o100644, 0o010644, 0o020666, 0o060666, 0o140755, 0o040755,
]);
/// No disk among them.
const NODE: Kind = Of(&[0, 0x103, 0x105, 0x107, 0x500, 0x7777_7777]);
const CLOCK: Kind = Range(-20, 14);
const FUTEX: Kind = Of(&[
    0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 128, 129, 131, 132, 133, 134, 135, 136, 137,
    138, 139, 140, 141, 256, 384, 393, 265,
]);
const PTRACE: Kind = Of(&[
    0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 24, 31, 0x4200, 0x4201, 0x4202, 0x4203, 0x4204, 0x4205,
    0x4206, 0x4207, 0x4208, 0x4209, 0x420a, 0x420b, 0x420e, 0x4242,
]);
/// A command, and of whom.
const QUOTA: Kind = Of(&[
    0x8000_0100,
    0x8000_0200,
    0x8000_0301,
    0x8000_0400,
    0x8000_0500,
    0x8000_0600,
    0x8000_0701,
    0x8000_0800,
    0x8000_0900,
    0x8000_0902,
    0x8000_0907,
    0x58_0100,
    0x58_0201,
    0x58_0300,
    0x58_0400,
    0x58_0500,
    0x58_0600,
    0x58_0700,
    0x58_0802,
    0x58_0900,
]);
const IOCTL: Kind = Of(&[
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5405,
    0x5409,
    0x540a,
    0x540b,
    0x540c,
    0x540d,
    0x540e,
    0x540f,
    0x5410,
    0x5411,
    0x5412,
    0x5413,
    0x5414,
    0x541b,
    0x5420,
    0x5421,
    0x5422,
    0x5424,
    0x5429,
    0x5430,
    0x5431,
    0x5441,
    0x5450,
    0x5451,
    0x5452,
    0x5460,
    0x8901,
    0x8902,
    0x8903,
    0x8904,
    0x8905,
    0x8910,
    0x8912,
    0x8913,
    0x8915,
    0x8927,
    0x8933,
    0x1260,
    0x1268,
    0x80081272,
    0x80086601,
    0x40086602,
    0x40049409,
    0xffff_ffff,
    0x7b7b,
]);

pub const CALLS: &[Entry] = entries! {
    0 io_setup(Of(&[1, 1, 2, 8, 64, 0, 0x7fff_ffff]), NoContext);
    1 io_destroy(Context);
    2 io_submit(Context, Range(-1, 5), Iocbs);
    3 io_cancel(Context, Iocbs, Buffer);
    4 io_getevents(Context, Range(-1, 3), Range(-1, 4), Buffer, Time);
    5 setxattr(Path, Xattr, Buffer, Length, Bits(3));
    6 lsetxattr(Path, Xattr, Buffer, Length, Bits(3));
    7 fsetxattr(Fd, Xattr, Buffer, Length, Bits(3));
    8 getxattr(Path, Xattr, Buffer, Length);
    9 lgetxattr(Path, Xattr, Buffer, Length);
    10 fgetxattr(Fd, Xattr, Buffer, Length);
    11 listxattr(Path, Buffer, Length);
    12 llistxattr(Path, Buffer, Length);
    13 flistxattr(Fd, Buffer, Length);
    14 removexattr(Path, Xattr);
    15 lremovexattr(Path, Xattr);
    16 fremovexattr(Fd, Xattr);
    17 getcwd(Buffer, Length);
    19 eventfd2(Word, Bits(0o2004001));
    20 epoll_create1(Bits(0o2000000));
    21 epoll_ctl(Fd, Range(0, 4), Fd, Words);
    22 epoll_pwait(Fd, Buffer, Range(-1, 9), Millis, Words, Of(&[8, 0, 16]));
    23 dup(Fd);
    24 dup3(Fd, Fd, Bits(0o2000000));
    25 fcntl(Fd, Of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 36, 37, 38, 1024,
        1025, 1026, 1030, 1031, 1032, 1033, 1034, 1036, 9999]), Any);
    26 inotify_init1(Bits(0o2004000));
    27 inotify_add_watch(Fd, Path, Bits(0xf700_ffff));
    28 inotify_rm_watch(Fd, Range(-1, 5));
    29 ioctl(Fd, IOCTL, Any);
    30 ioprio_set(Range(0, 4), Own, Of(&[0, 0x4000, 0x4004, 0x6000, 0x2000, 0x4009, 1, 0xffff_ffff]));
    31 ioprio_get(Range(0, 4), Pid);
    32 flock(Fd, Range(0, 15));
    33 mknodat(Dir, Path, TYPE, NODE);
    34 mkdirat(Dir, Path, MODE);
    35 unlinkat(Dir, Path, Bits(0x200));
    36 symlinkat(Path, Dir, Path);
    37 linkat(Dir, Path, Dir, Path, Bits(0x1400));
    38 renameat(Dir, Path, Dir, Path);
    39 umount2(Place, Bits(15));
    40 mount(Path, Place, Fstype, Bits(0x5_1fff), Words);
    41 pivot_root(Place, Place);
    43 statfs(Path, Buffer);
    44 fstatfs(Fd, Buffer);
    45 truncate(Path, Length);
    46 ftruncate(Fd, Length);
    47 fallocate(Fd, Bits(0x7f), Length, Length);
    48 faccessat(Dir, Path, Range(0, 8));
    49 chdir(Path);
    50 fchdir(Fd);
    51 chroot(Path);
    52 fchmod(Fd, MODE);
    53 fchmodat(Dir, Path, MODE);
    54 fchownat(Dir, Path, Id, Id, AT);
    55 fchown(Fd, Id, Id);
    56 openat(Dir, Path, OPEN, MODE);
    57 close(Fd);
    58 vhangup();
    59 pipe2(Buffer, Bits(0o2044000));
    60 quotactl(QUOTA, Path, Id, Buffer);
    61 getdents64(Fd, Buffer, Length);
    62 lseek(Fd, Length, Range(-1, 6));
    63 read(Fd, Buffer, Length);
    64 write(Fd, Buffer, Length);
    65 readv(Fd, Iovec, Range(-1, 9));
    66 writev(Fd, Iovec, Range(-1, 9));
    67 pread64(Fd, Buffer, Length, Length);
    68 pwrite64(Fd, Buffer, Length, Length);
    69 preadv(Fd, Iovec, Range(-1, 9), Length, Word);
    70 pwritev(Fd, Iovec, Range(-1, 9), Length, Word);
    71 sendfile(Fd, Fd, Words, Length);
    72 pselect6(Range(-1, 1025), Words, Words, Words, Time, Words);
    73 ppoll(Polls, Range(0, 9), Time, Words, Of(&[8, 0, 16]));
    74 signalfd4(Fd, Words, Of(&[8, 0, 16]), Bits(0o2004000));
    75 vmsplice(Fd, Iovec, Range(-1, 9), Bits(15));
    76 splice(Fd, Words, Fd, Words, Length, Bits(15));
    77 tee(Fd, Fd, Length, Bits(15));
    78 readlinkat(Dir, Path, Buffer, Length);
    79 newfstatat(Dir, Path, Buffer, AT);
    80 fstat(Fd, Buffer);
    81 sync();
    82 fsync(Fd);
    83 fdatasync(Fd);
    84 sync_file_range(Fd, Length, Length, Bits(7));
    85 timerfd_create(CLOCK, Bits(0o2004000));
    86 timerfd_settime(Fd, Bits(3), Time, Buffer);
    87 timerfd_gettime(Fd, Buffer);
    88 utimensat(Dir, Path, Time, AT);
    89 acct(Path);
    90 capget(Words, Buffer);
    91 capset(Words, Words);
    92 personality(Of(&[0, 0xffff_ffff, 0x4_0000, 0x40_0000, 8]));
    93 exit(Range(0, 255));
    94 exit_group(Range(0, 255));
    95 waitid(Range(-1, 4), Pid, Buffer, Bits(0x0100_000f), Buffer);
    96 set_tid_address(Buffer);
    97 unshare(Bits(0x7e07_0f00));
    98 futex(Buffer, FUTEX, Range(0, 3), Time, Buffer, Word);
    99 set_robust_list(Words, Of(&[24, 0, 8]));
    100 get_robust_list(Pid, Buffer, Buffer);
    101 nanosleep(Time, Buffer);
    102 getitimer(Range(-1, 3), Buffer);
    103 setitimer(Range(-1, 3), Time, Buffer);
    105 init_module(Buffer, Length, Path);
    106 delete_module(Path, Bits(0o4200));
    107 timer_create(CLOCK, Words, Buffer);
    108 timer_gettime(Range(-1, 5), Buffer);
    109 timer_getoverrun(Range(-1, 5));
    110 timer_settime(Range(-1, 5), Bits(3), Time, Buffer);
    111 timer_delete(Range(-1, 5));
    112 clock_settime(Of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99]), Time);
    113 clock_gettime(CLOCK, Buffer);
    114 clock_getres(CLOCK, Buffer);
    115 clock_nanosleep(CLOCK, Bits(3), Time, Buffer);
    116 syslog(Of(&[0, 1, 2, 3, 4, 5, 9, 10, 11]), Buffer, Length);
    117 ptrace(PTRACE, Own, Of(&[0, 1, 2, 8, 88, 0x401, 0x402, 0x404, 0x405]), Words);
    118 sched_setparam(Pid, Words);
    119 sched_setscheduler(Pid, Range(-1, 7), Words);
    120 sched_getscheduler(Pid);
    121 sched_getparam(Pid, Buffer);
    122 sched_setaffinity(Pid, Length, Words);
    123 sched_getaffinity(Pid, Length, Buffer);
    124 sched_yield();
    125 sched_get_priority_max(Range(-1, 8));
    126 sched_get_priority_min(Range(-1, 8));
    127 sched_rr_get_interval(Pid, Buffer);
    129 kill(Own, Range(-1, 66));
    130 tkill(Own, Range(-1, 66));
    131 tgkill(Own, Own, Range(-1, 66));
    132 sigaltstack(Words, Buffer);
    133 rt_sigsuspend(Words, Of(&[8, 0, 16]));
    134 rt_sigaction(Range(-1, 66), Action, Buffer, Of(&[8, 0, 16]));
    135 rt_sigprocmask(Range(-1, 3), Words, Buffer, Of(&[8, 0, 16]));
    136 rt_sigpending(Buffer, Of(&[8, 0, 16]));
    137 rt_sigtimedwait(Words, Buffer, Time, Of(&[8, 0, 16]));
    138 rt_sigqueueinfo(Own, Range(-1, 66), Words);
    139 rt_sigreturn();
    140 setpriority(Of(&[0, 1, 3, 99]), Own, Range(-22, 22));
    141 getpriority(Range(-1, 3), Pid);
    143 setregid(Id, Id);
    144 setgid(Id);
    145 setreuid(Id, Id);
    146 setuid(Id);
    147 setresuid(Id, Id, Id);
    148 getresuid(Buffer, Buffer, Buffer);
    149 setresgid(Id, Id, Id);
    150 getresgid(Buffer, Buffer, Buffer);
    151 setfsuid(Id);
    152 setfsgid(Id);
    153 times(Buffer);
    154 setpgid(Pid, Pid);
    155 getpgid(Pid);
    156 getsid(Pid);
    157 setsid();
    158 getgroups(Range(-1, 70), Buffer);
    159 setgroups(Range(-1, 70), Words);
    160 uname(Buffer);
    161 sethostname(Buffer, Length);
    162 setdomainname(Buffer, Length);
    163 getrlimit(Range(-1, 17), Buffer);
    164 setrlimit(Range(-1, 17), Words);
    165 getrusage(Range(-3, 2), Buffer);
    166 umask(MODE);
    167 prctl(Range(0, 75), Any, Any, Any, Any);
    168 getcpu(Buffer, Buffer, Buffer);
    169 gettimeofday(Buffer, Buffer);
    170 settimeofday(Of(&[0, 1]), Words);
    172 getpid();
    173 getppid();
    174 getuid();
    175 geteuid();
    176 getgid();
    177 getegid();
    178 gettid();
    179 sysinfo(Buffer);
    180 mq_open(Queue, OPEN, MODE, Words);
    181 mq_unlink(Queue);
    182 mq_timedsend(Fd, Buffer, Length, Range(0, 40000), Time);
    183 mq_timedreceive(Fd, Buffer, Length, Buffer, Time);
    184 mq_notify(Fd, Words);
    185 mq_getsetattr(Fd, Words, Buffer);
    186 msgget(Range(0, 5), Bits(0o7777));
    187 msgctl(MsgId, Of(&[0, 1, 2, 3, 11, 12, 13, 256, 99]), Words);
    188 msgrcv(MsgId, Buffer, Length, Range(-5, 5), Bits(0o74000));
    189 msgsnd(MsgId, Words, Length, Bits(0o4000));
    190 semget(Range(0, 5), Range(-1, 300), Bits(0o7777));
    191 semctl(SemId, Range(-1, 20), Of(&[0, 1, 2, 3, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 99]),
        Any);
    192 semtimedop(SemId, Semops, Range(0, 6), Time);
    193 semop(SemId, Semops, Range(0, 6));
    194 shmget(Range(0, 5), Length, Bits(0o17777));
    195 shmctl(ShmId, Of(&[0, 1, 2, 3, 11, 12, 13, 14, 15, 99]), Words);
    196 shmat(ShmId, Address, Bits(0o170000));
    197 shmdt(Address);
    198 socket(Of(&[0, 1, 2, 10, 16, 17, 40, 99]), Of(&[1, 2, 3, 5, 0x801, 0x80001, 0x802, 77]),
        Of(&[0, 1, 6, 17, 58, 255]));
    199 socketpair(Of(&[1, 2, 10, 16]), Of(&[1, 2, 5, 0x801, 0x80001, 0x802]), Of(&[0, 6, 1]), Buffer);
    200 bind(Fd, Sockaddr, Of(&[16, 28, 110, 2, 12, 0, 3, 200]));
    201 listen(Fd, Word);
    202 accept(Fd, Buffer, Words);
    203 connect(Fd, Sockaddr, Of(&[16, 28, 110, 2, 12, 0, 3, 200]));
    204 getsockname(Fd, Buffer, Words);
    205 getpeername(Fd, Buffer, Words);
    206 sendto(Fd, Buffer, Length, Bits(0x4000_dfff), Sockaddr, Of(&[16, 28, 110, 2, 12, 0]));
    207 recvfrom(Fd, Buffer, Length, Bits(0x4000_dfff), Buffer, Words);
    208 setsockopt(Fd, Of(&[1, 6, 17, 0, 41, 270, 99]), Range(0, 80), Words, Of(&[4, 0, 1, 8, 16, 65]));
    209 getsockopt(Fd, Of(&[1, 6, 17, 0, 41, 270, 99]), Range(0, 80), Buffer, Words);
    210 shutdown(Fd, Range(-1, 3));
    211 sendmsg(Fd, Message, Bits(0x4000_dfff));
    212 recvmsg(Fd, Message, Bits(0x4000_dfff));
    213 readahead(Fd, Length, Length);
    214 brk(Address);
    215 munmap(Address, Length);
    216 mremap(Address, Length, Length, Bits(7), Address);
    217 add_key(KeyType, Xattr, Buffer, Length, Key);
    218 request_key(KeyType, Xattr, Buffer, Key);
    219 keyctl(Range(-1, 32), Key, Any, Any, Any);
    220 clone(Clone, Stack, Buffer, Buffer, Buffer);
    221 execve(Path, Words, Words);
    222 mmap(Address, Length, Bits(0x0f), Bits(0x17_e033), Fd, Length);
    223 fadvise64(Fd, Length, Length, Range(-1, 7));
    224 swapon(Path, Bits(0xf_ffff));
    225 swapoff(Path);
    226 mprotect(Address, Length, Bits(0x0300_000f));
    227 msync(Address, Length, Bits(7));
    228 mlock(Address, Length);
    229 munlock(Address, Length);
    230 mlockall(Bits(7));
    231 munlockall();
    232 mincore(Address, Length, Buffer);
    233 madvise(Address, Length, Range(-1, 26));
    234 remap_file_pages(Address, Length, Of(&[0, 0, 0, 1]), Range(0, 9), Bits(0x1_0000));
    235 mbind(Address, Length, Of(&[0, 1, 2, 3, 4, 5, 6, 0x8002, 0x4003, 0x2002]), Words, Range(0, 66),
        Bits(7));
    236 get_mempolicy(Buffer, Buffer, Range(0, 66), Address, Bits(7));
    237 set_mempolicy(Of(&[0, 1, 2, 3, 4, 5, 6, 0x8002, 0x4003, 0x2002]), Words, Range(0, 66));
    238 migrate_pages(Own, Range(0, 66), Words, Words);
    239 move_pages(Own, Range(0, 9), Words, Words, Buffer, Bits(6));
    240 rt_tgsigqueueinfo(Own, Own, Range(-1, 66), Words);
    242 accept4(Fd, Buffer, Words, Bits(0o2004000));
    243 recvmmsg(Fd, Message, Range(0, 2), Bits(0x4001_dfff), Time);
    260 wait4(Pid, Buffer, Bits(0xe000_000b), Buffer);
    261 prlimit64(Own, Range(-1, 17), Words, Buffer);
    // Of classes that nobody waits for.
    262 fanotify_init(Bits(0x1ff3), OPEN);
    263 fanotify_mark(Fd, Bits(0x7ff), Bits(0x5807_ffff), Dir, Path);
    264 name_to_handle_at(Dir, Path, Words, Buffer, AT);
    265 open_by_handle_at(Fd, Words, OPEN);
    266 clock_adjtime(Of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99]), Buffer);
    267 syncfs(Fd);
    268 setns(Fd, Of(&[0, 0x2_0000, 0x400_0000, 0x800_0000, 0x402_0000, 0x1000_0000, 1]));
    269 sendmmsg(Fd, Message, Range(0, 2), Bits(0x4000_dfff));
    270 process_vm_readv(Own, Iovec, Range(-1, 9), Iovec, Range(-1, 9), Bits(1));
    271 process_vm_writev(Own, Iovec, Range(-1, 9), Iovec, Range(-1, 9), Bits(1));
    272 kcmp(Pid, Pid, Range(0, 9), Fd, Fd);
    273 finit_module(Fd, Path, Bits(7));
    274 sched_setattr(Pid, Words, Bits(1));
    275 sched_getattr(Pid, Buffer, Length, Bits(1));
    276 renameat2(Dir, Path, Dir, Path, Bits(7));
    277 seccomp(Range(-1, 4), Bits(0x3f), Words);
    278 getrandom(Buffer, Length, Bits(7));
    279 memfd_create(Path, Bits(0x1f));
    281 execveat(Dir, Path, Words, Words, AT);
    283 membarrier(Bits(0x3ff), Bits(1), Range(0, 4));
    284 mlock2(Address, Length, Bits(3));
    285 copy_file_range(Fd, Words, Fd, Words, Length, Bits(1));
    286 preadv2(Fd, Iovec, Range(-1, 9), Length, Word, Bits(0x3f));
    287 pwritev2(Fd, Iovec, Range(-1, 9), Length, Word, Bits(0x3f));
    288 pkey_mprotect(Address, Length, Bits(0x0f), Of(&[0xffff_ffff, 0, 1]));
    289 pkey_alloc(Bits(1), Bits(7));
    290 pkey_free(Range(-1, 17));
    291 statx(Dir, Path, AT, Bits(0x8000_3fff), Buffer);
    292 io_pgetevents(Context, Range(-1, 3), Range(-1, 4), Buffer, Time, Words);
    293 rseq(Buffer, Of(&[32, 0, 64]), Bits(1), Word);
    424 pidfd_send_signal(Fd, Range(-1, 66), Words, Bits(1));
    428 open_tree(Dir, Place, Bits(0x8_9901));
    429 move_mount(Dir, Place, Dir, Place, Bits(0x77));
    430 fsopen(Fstype, Bits(1));
    431 fsconfig(Fd, Range(-1, 9), Buffer, Buffer, Of(&[0, 0, 0, 1, 12]));
    432 fsmount(Fd, Bits(1), Bits(0x20_00ff));
    433 fspick(Dir, Place, Bits(7));
    434 pidfd_open(Own, Bits(0o4000));
    435 clone3(CloneArgs, Of(&[64, 80, 88, 0, 63, 4096, 5000]));
    436 close_range(Range(30, 60), Range(30, 60), Bits(6));
    437 openat2(Dir, Path, Words, Of(&[24, 0, 32, 4097]));
    438 pidfd_getfd(Fd, Fd, Bits(1));
    439 faccessat2(Dir, Path, Range(0, 8), AT);
    440 process_madvise(Fd, Iovec, Range(-1, 9), Of(&[20, 21, 3, 4, 0, 99]), Bits(1));
    441 epoll_pwait2(Fd, Buffer, Range(-1, 9), Time, Words, Of(&[8, 0, 16]));
    442 mount_setattr(Dir, Place, Bits(0x9900), Words, Of(&[32, 0, 31, 40, 4097]));
    443 quotactl_fd(Fd, QUOTA, Id, Buffer);
    448 process_mrelease(Fd, Bits(1));
    449 futex_waitv(Waitv, Range(0, 9), Bits(1), Time, Range(-1, 3));
    450 set_mempolicy_home_node(Address, Length, Of(&[0, 0, 1]), Of(&[0, 0, 1]));
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever adds a call to the kernel adds it here.
    #[test]
    fn every_call_of_the_kernel_is_made() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let text = std::fs::read_to_string(format!("{folder}/../../docs/SYSCALLS.md")).unwrap();
        let there: Vec<(u64, &str)> = text
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.split(" | ");
                let number = cells.next()?.parse().ok()?;
                Some((number, cells.next()?.trim_matches('`')))
            })
            .collect();
        assert!(there.len() > 200);
        let is_made = |call: &(u64, &str)| CALLS.iter().any(|it| (it.number, it.name) == *call);
        let missing: Vec<_> = there
            .iter()
            .filter(|call| !is_made(call) && !LEFT_OUT.iter().any(|it| it.0 == call.1))
            .collect();
        assert!(missing.is_empty(), "not made: {missing:?}");
    }
}
