//! The order in which locks are taken: the one list of all lock classes.

macro_rules! ranks {
    ($($(#[doc = $doc:literal])* $name:ident $kind:ident $(($nests:ident))?,)*) => {
        /// A lock's place in the order: a thread may only take a lock whose
        /// rank comes later in this list than those of all it holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Rank {
            $($(#[doc = $doc])* $name,)*
        }

        impl Rank {
            /// All ranks with their kind ("sleeping" or "spinning") and what
            /// they protect, outermost first. `docs/LOCKS.md` is made of this.
            pub const ALL: &'static [(Rank, &'static str, &'static str)] = &[
                $((Rank::$name, stringify!($kind), concat!($($doc),*)),)*
            ];

            /// The rank's name, as it is written here.
            pub const fn name(self) -> &'static str {
                match self { $(Rank::$name => stringify!($name),)* }
            }

            /// The rank of this number, as `self as u8` gave it.
            pub const fn from_u8(number: u8) -> Option<Rank> {
                match number {
                    $(n if n == Rank::$name as u8 => Some(Rank::$name),)*
                    _ => None,
                }
            }

            /// Whether locks of this rank sleep.
            pub const fn sleeps(self) -> bool {
                match self { $(Rank::$name => ranks!(@sleeps $kind),)* }
            }

            /// Whether several locks of this rank may be held at once.
            pub const fn nests(self) -> bool {
                match self { $($(Rank::$name => ranks!(@$nests),)?)* _ => false }
            }
        }
    };
    (@nests) => { true };
    (@sleeps sleeping) => { true };
    (@sleeps spinning) => { false };
}

ranks! {
    /// Running out of memory: one thread frees some, the others wait.
    OutOfMemory sleeping,
    /// The family of a process: parent, children, groups and sessions, exit.
    ProcessTree sleeping,
    /// Processes that share root and working directory: one change of those at a time.
    SharedPlaces sleeping,
    /// A process's table of descriptors.
    FdTable sleeping,
    /// An open file description: its offset and flags.
    OpenFile sleeping,
    /// One write or cut of a file at a time; held while its bytes come from user
    /// memory, which may have to be brought in.
    FileWrite sleeping,
    /// Who waits for futexes that are handed over; held while a user's word is changed.
    PiFutex sleeping,
    /// The profiler's stacks.
    Profile sleeping,
    /// A user address space: its areas and page tables.
    AddressSpace sleeping,
    /// A socket's system-call side.
    Socket sleeping (nests),
    /// The settings file of the SSH server, while it is read.
    SshSettings sleeping,
    /// The tree of mounts.
    MountTable sleeping,
    /// Renames across directories, one at a time for a filesystem.
    Rename sleeping,
    /// A file or directory of a filesystem.
    Inode sleeping (nests),
    /// The pages of a file, and the list of dirty ones.
    PageCache sleeping (nests),
    /// A whole on-disk filesystem's metadata.
    Filesystem sleeping,
    /// A block device's request slots.
    BlockQueue sleeping,
    /// Anything else that sleeps and takes no further sleeping lock.
    LeafMutex sleeping,
    /// A terminal: line discipline and buffers.
    Tty spinning (nests),
    /// A pipe or output channel.
    Pipe spinning (nests),
    /// A socket's state: what it is bound and connected to.
    SocketState spinning (nests),
    /// A network stack: held for one poll of embassy-net.
    NetStack spinning (nests),
    /// The stack of programs' sockets: its connections, listeners and ports.
    Inet spinning,
    /// The process table: from PID to process.
    ProcessTable spinning,
    /// A process's signals and its threads' masks.
    Signals spinning (nests),
    /// Futex buckets.
    Futex spinning,
    /// Small state of one object, with nothing but wake-ups inside.
    Leaf spinning (nests),
    /// The hierarchy of cgroups: who is in which.
    Cgroup spinning,
    /// The Embassy time driver's queue of wakers.
    TimeQueue spinning,
    /// Embassy's critical section.
    CriticalSection spinning,
    /// A list of waiters.
    WaitQueue spinning (nests),
    /// Who waits for which sleeping lock, and what is lent to its holder.
    Chains spinning,
    /// The table of threads.
    ThreadTable spinning,
    /// A CPU's heap of deadlines.
    Sleepers spinning,
    /// A CPU's run queue.
    Scheduler spinning,
    /// A virtio device's queue, shared with its interrupt handler.
    Virtio spinning,
    /// A network device's rings, shared with its interrupt handler.
    NetDevice spinning,
    /// The table of interrupt handlers.
    Interrupts spinning,
    /// Kernel page tables.
    KernelMap spinning,
    /// Address-space identifiers.
    Asid spinning,
    /// The kernel heap.
    Heap spinning,
    /// Free page frames.
    Frames spinning,
    /// The random generator.
    Random spinning,
    /// The log ring.
    Log spinning,
    /// The console's transmit ring.
    Console spinning,
}
