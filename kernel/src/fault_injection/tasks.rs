//! Mistakes of the main loop's tasks.

use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::Poll;
use paddock_process::{ChannelReader, TryRead, WaitStatus, channel};
use paddock_sync::WaitQueue;

static EXITED: AtomicBool = AtomicBool::new(false);
static CHANGED: WaitQueue = WaitQueue::new();

/// A process ends that has written nothing, see [`carry`].
pub fn busy_wait() {
    EXITED.store(true, Relaxed);
    CHANGED.wake_all();
}

/// Carries a process's output, once it has one: reads the empty channel again
/// and again, and never looks whether the process has ended.
#[embassy_executor::task]
pub async fn carry() {
    let has_exited = || EXITED.load(Relaxed).then_some(());
    if CHANGED.wait_async(has_exited).await.is_err() {
        return;
    }
    if let Ok((reader, _writer)) = channel() {
        reader.shared().set_exit(WaitStatus::Exited(0));
        while read(&reader).await != 0 {}
    }
}

async fn read(reader: &ChannelReader) -> usize {
    let mut buffer = [0; 64];
    poll_fn(|cx| match reader.try_read(&mut buffer) {
        TryRead::Data(count) => Poll::Ready(count),
        TryRead::Pending | TryRead::Eof => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}
