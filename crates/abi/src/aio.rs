//! Asynchronous I/O of Linux (io_submit(2)): `<linux/aio_abi.h>`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct iocb` of a little-endian machine, 64 bytes.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs, reason = "the names are those of io_submit(2)")]
pub struct Iocb {
    pub aio_data: u64,
    pub aio_key: u32,
    pub aio_rw_flags: u32,
    pub aio_lio_opcode: u16,
    pub aio_reqprio: i16,
    pub aio_fildes: u32,
    pub aio_buf: u64,
    pub aio_nbytes: u64,
    pub aio_offset: i64,
    pub aio_reserved2: u64,
    pub aio_flags: u32,
    pub aio_resfd: u32,
}

const _: () = assert!(size_of::<Iocb>() == 64);

/// `struct io_event`, 32 bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct IoEvent {
    /// What the operation was given.
    pub data: u64,
    /// The address of its `struct iocb`.
    pub obj: u64,
    /// What the call would give.
    pub res: i64,
    /// Nothing.
    pub res2: i64,
}

/// Where `aio_key` is in a [`Iocb`].
pub const AIO_KEY_AT: u64 = 8;
/// What the kernel puts there.
pub const KIOCB_KEY: u32 = 0;

/// pread(2).
pub const IOCB_CMD_PREAD: u16 = 0;
/// pwrite(2).
pub const IOCB_CMD_PWRITE: u16 = 1;
/// fsync(2).
pub const IOCB_CMD_FSYNC: u16 = 2;
/// fdatasync(2).
pub const IOCB_CMD_FDSYNC: u16 = 3;
/// poll(2), for once.
pub const IOCB_CMD_POLL: u16 = 5;
/// preadv(2).
pub const IOCB_CMD_PREADV: u16 = 7;
/// pwritev(2).
pub const IOCB_CMD_PWRITEV: u16 = 8;

/// An eventfd hears of the end.
pub const IOCB_FLAG_RESFD: u32 = 1;
/// There is an I/O priority.
pub const IOCB_FLAG_IOPRIO: u32 = 2;
