//! Carries the output of process 1 to the console.

use core::sync::atomic::{AtomicBool, Ordering};

use super::again;
use crate::{console, fuzz_run};
use paddock_process::{ChannelReader, TryRead, WaitStatus};

static CARRIED: AtomicBool = AtomicBool::new(false);

/// Whether the output of a process 1 is still on its way.
pub fn is_carried() -> bool {
    CARRIED.load(Ordering::Acquire)
}

/// Runs until process 1 has ended and all it wrote is out. There is room for two:
/// the next one may be started, by another thread, while this one has said that
/// it is done and has not yet returned.
#[embassy_executor::task(pool_size = 2)]
pub async fn carry(reader: ChannelReader) {
    CARRIED.store(true, Ordering::Release);
    let mut buffer = [0; 512];
    while let Some(count) = next(&reader, &mut buffer).await {
        print(&buffer[..count]).await;
    }
    report(reader.exit_status());
    again::ended(reader.exit_status());
    CARRIED.store(false, Ordering::Release);
    fuzz_run::process_1_ended(reader.exit_status());
}

/// The next piece of output; `None` when the process has ended and nothing is
/// left.
async fn next(reader: &ChannelReader, buffer: &mut [u8]) -> Option<usize> {
    let mut registration = None;
    core::future::poll_fn(|cx| {
        use core::task::Poll;
        // Registered first, looked at second: nothing slips through between.
        registration = match reader.register(cx.waker()) {
            Ok(registration) => Some(registration),
            Err(_) => {
                cx.waker().wake_by_ref();
                None
            }
        };
        match reader.try_read(buffer) {
            TryRead::Data(count) => Poll::Ready(Some(count)),
            TryRead::Pending if reader.has_exited() => Poll::Ready(None),
            TryRead::Eof if reader.has_exited() => Poll::Ready(None),
            TryRead::Pending | TryRead::Eof => Poll::Pending,
        }
    })
    .await
}

async fn print(mut text: &[u8]) {
    while !text.is_empty() {
        let accepted = console::room()
            .wait_async(|| {
                let accepted = console::write_text(text);
                (accepted > 0).then_some(accepted)
            })
            .await;
        match accepted {
            Ok(count) => text = &text[count..],
            // Without memory to wait, the rest of this piece is lost.
            Err(_) => return,
        }
    }
}

fn report(status: Option<WaitStatus>) {
    match status {
        Some(WaitStatus::Exited(code)) => log::warn!("init: process 1 exited with code {code}"),
        Some(WaitStatus::Signaled { signal, .. }) => {
            log::warn!("init: process 1 was killed by signal {signal}")
        }
        other => log::warn!("init: process 1 has ended: {other:?}"),
    }
}
