//! signalfd(2): signals that are read.

use super::Call;
use super::signals::check_size;
use crate::process::{self, SIGNALS_CAME};
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use paddock_abi::signal::{Siginfo, SignalfdSiginfo};
use paddock_abi::{Errno, Result};
use paddock_process::signal::SignalSet;
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};
use paddock_user_io::UserWriter;
use paddock_vfs::{File, Metadata, OpenFile, OpenFlags, stays_at_start};
use zerocopy::IntoBytes;

/// Bytes of one signal.
const RECORD: usize = size_of::<SignalfdSiginfo>();

/// The signals of whoever reads it, of the process or of the reading thread.
struct SignalFile {
    wanted: AtomicU64,
}

impl SignalFile {
    fn wanted(&self) -> SignalSet {
        SignalSet(self.wanted.load(Relaxed))
    }

    fn take(&self) -> Option<Siginfo> {
        let thread = process::current()?;
        let process = &thread.process;
        let taken = process
            .signals
            .lock()
            .take_waiting(thread.tid, self.wanted());
        let info = taken?;
        process.note_taken(&info);
        Some(info)
    }
}

impl Pollable for SignalFile {
    fn ready(&self) -> Ready {
        let waits = process::current().is_some_and(|thread| {
            let signals = thread.process.signals.lock();
            let pending = signals.pending(thread.tid).unwrap_or_default();
            !pending.intersection(self.wanted()).is_empty()
        });
        match waits {
            true => Ready::IN,
            false => Ready::empty(),
        }
    }

    // Of all processes: who waits is the reader's business, and a descriptor
    // may have come to another by fork(2).
    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&SIGNALS_CAME)
    }
}

impl File for SignalFile {
    fn read(&self, _: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        if to.left() < RECORD {
            return Err(Errno::EINVAL);
        }
        let mut count = 0;
        while to.left() >= RECORD {
            // Before a signal is taken that would then be lost.
            match to.fault_in(RECORD) {
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => {}
            }
            let Some(info) = self.take() else {
                break;
            };
            count += to.copy_out(SignalfdSiginfo::from(&info).as_bytes())?;
        }
        match count {
            0 => Err(Errno::EAGAIN),
            count => Ok(count),
        }
    }

    fn seek(&self, _: i64, whence: u32) -> Result<u64> {
        stays_at_start(whence)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[signalfd]")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// signalfd4(2).
pub fn signalfd4(call: &mut Call<'_>) -> Result<u64> {
    let flags = call.descriptor_flags(3)?;
    check_size(call.word(2))?;
    let wanted = SignalSet(call.pointer::<u64>(1).read()?).minus(SignalSet::UNBLOCKABLE);
    if call.int(0) != -1 {
        let file = call.file(0)?;
        let signals = file.file().as_any().downcast_ref::<SignalFile>();
        let signals = signals.ok_or(Errno::EINVAL)?;
        signals.wanted.store(wanted.0, Relaxed);
        SIGNALS_CAME.wake_all();
        return Ok(u64::from(call.uint(0)));
    }
    let file = try_arc(SignalFile {
        wanted: AtomicU64::new(wanted.0),
    })?;
    let file = OpenFile::new(file, None, flags | OpenFlags::RDWR)?;
    Ok(call.install(file, flags)? as u64)
}
