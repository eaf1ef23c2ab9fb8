//! `null`, `zero`, `full` and `random`.

use crate::{Errno, File, FileKind, Metadata, Result, Timestamp};
use alloc::sync::Arc;
use core::any::Any;
use paddock_abi::stat::make_device;
use paddock_sync::{Pollable, Ready, WaitQueue};
use paddock_user_io::{UserReader, UserWriter, in_steps};

/// Random bytes that are made at once.
const PIECE: usize = 512;

/// Where random bytes come from. Never sleeps.
pub trait RandomSource: Send + Sync {
    /// Fills `buf` with bytes fit for keys.
    fn fill(&self, buf: &mut [u8]);
}

/// What fstat(2) tells of a memory device.
fn device_metadata(minor: u32) -> Metadata {
    Metadata {
        device: 0,
        ino: u64::from(minor),
        kind: FileKind::CharDevice,
        mode: 0o666,
        links: 1,
        uid: 0,
        gid: 0,
        rdev: make_device(1, minor),
        size: 0,
        blocks: 0,
        block_size: 4096,
        atime: Timestamp::default(),
        mtime: Timestamp::default(),
        ctime: Timestamp::default(),
    }
}

macro_rules! memory_device {
    ($(#[$doc:meta])* $name:ident, $minor:literal, $read:expr, $write:expr) => {
        memory_device!(@impls $name, $minor, $read, $write);
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
    };
    (@impls $name:ident, $minor:literal, $read:expr, $write:expr) => {
        impl Pollable for $name {
            fn ready(&self) -> Ready {
                Ready::IN | Ready::OUT
            }

            fn wait_queue(&self) -> Option<&WaitQueue> {
                None
            }
        }

        impl File for $name {
            fn seekable(&self) -> bool {
                true
            }

            fn keeps_offset(&self) -> bool {
                false
            }

            fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
                let read: fn(&$name, &mut UserWriter<'_>) -> Result<usize> = $read;
                read(self, to)
            }

            fn write(&self, _: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
                let write: fn(&mut UserReader<'_>) -> Result<usize> = $write;
                write(from)
            }

            fn seek_end(&self) -> Result<u64> {
                Ok(0)
            }

            fn metadata(&self) -> Result<Metadata> {
                Ok(device_metadata($minor))
            }

            fn as_any(&self) -> &dyn Any {
                self
            }
        }
    };
}

fn zeroes(to: &mut UserWriter<'_>) -> Result<usize> {
    to.zero(to.left())
}

/// Takes all, and looks at none of it.
fn swallow(from: &mut UserReader<'_>) -> Result<usize> {
    let count = from.left();
    from.advance(count);
    Ok(count)
}

memory_device!(
    /// Takes everything, gives nothing.
    NullFile, 3, |_, _| Ok(0), swallow
);
memory_device!(
    /// Takes everything, gives zeroes.
    ZeroFile, 5, |_, to| zeroes(to), swallow
);
memory_device!(
    /// A disk that is always full: gives zeroes, takes nothing.
    FullFile, 7, |_, to| zeroes(to), |_| Err(Errno::ENOSPC)
);

/// Gives random bytes; what is written is ignored.
pub struct RandomFile {
    source: Arc<dyn RandomSource>,
}

impl RandomFile {
    /// Bytes from `source`.
    pub fn new(source: Arc<dyn RandomSource>) -> RandomFile {
        RandomFile { source }
    }

    fn fill(&self, to: &mut UserWriter<'_>) -> Result<usize> {
        in_steps(|_| {
            to.with_buffer(PIECE, |buffer| {
                self.source.fill(buffer);
                Ok(buffer.len())
            })
        })
    }
}

memory_device!(@impls RandomFile, 9, RandomFile::fill, swallow);
