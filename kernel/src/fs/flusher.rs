//! The thread that writes changes back to the disk some seconds after they
//! were made. While there are none it sleeps.

use crate::process::{reclaim, vfs};
use crate::thread;
use alloc::sync::Arc;
use paddock_abi::Errno;
use paddock_vfs::cache::PageCache;

/// How long a change stays in memory, in milliseconds.
const DELAY_MS: u64 = 5000;

/// Starts the thread, if there is a disk to write to. After the root is
/// mounted.
pub fn start() {
    let Some(cache) = reclaim::page_cache().cloned() else {
        return;
    };
    if let Err(error) = thread::spawn("flusher", move || run(&cache)) {
        log::error!("flusher: {error}: files are written back by sync and power-off only");
    }
}

fn run(cache: &Arc<PageCache>) {
    loop {
        cache.wait_for_change();
        while !flush() {}
    }
}

/// Lets changes gather, then writes them; false if it has to be done again.
fn flush() -> bool {
    thread::sleep_ms(DELAY_MS);
    match vfs::namespace().flush_older_than(0) {
        Ok(()) => true,
        Err(Errno::ENOMEM) => false,
        Err(error) => {
            log::error!("flusher: changes could not be written to the disk: {error}");
            true
        }
    }
}
