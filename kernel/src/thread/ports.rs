//! What threads tell those who watch over them, who are above: the watchdog and the
//! detectors. Found when the kernel is linked, as `paddock_sync`'s platform is.

use super::Thread;
use crate::arch::trap::TrapFrame;

unsafe extern "Rust" {
    /// The timer of CPU `cpu`, the calling one, has fired. Interrupt context.
    #[link_name = "paddock_thread_timer_came"]
    pub safe fn timer_came(cpu: usize);

    /// It was set to `armed` (ns since boot). Interrupt context.
    #[link_name = "paddock_thread_timer_fired"]
    pub safe fn timer_fired(armed: u64);

    /// Whether the timer of CPU `cpu`, the calling one, which was to fire at `due` (ns
    /// since boot; zero if it is off or has fired), is late and will not come by itself.
    /// Interrupt context.
    #[link_name = "paddock_thread_timer_is_late"]
    pub safe fn timer_is_late(cpu: usize, due: u64) -> bool;

    /// The timer of the calling CPU was to fire at `due` and has done so at `now` (ns
    /// since boot): what lies between was taken by the host. Interrupts are masked.
    #[link_name = "paddock_thread_timer_delayed"]
    pub safe fn timer_delayed(due: u64, now: u64);

    /// As [`tick`], with interrupts masked in what `frame` tells of: in any state of
    /// the kernel.
    #[link_name = "paddock_thread_tick_masked"]
    pub safe fn tick_masked(frame: &TrapFrame, now: u64, due: u64);

    /// The timer of the calling CPU was to fire at `due` (ns since boot; zero if that
    /// is not known) and has fired at `now`: who lasts too long is looked for.
    /// Interrupts are masked.
    #[link_name = "paddock_thread_tick"]
    pub safe fn tick(now: u64, due: u64);

    /// CPU `cpu`, the calling one, is busy from now on. Interrupts are masked.
    #[link_name = "paddock_thread_left_idle"]
    pub safe fn left_idle(cpu: usize);

    /// Until when (ns since boot) the timer of CPU `cpu`, the calling one, which is
    /// idle, has to fire; `u64::MAX` for ever. Interrupts are masked.
    #[link_name = "paddock_thread_watch_while_idle"]
    pub safe fn watch_while_idle(cpu: usize) -> u64;

    /// The thread is blocked for ever and nobody can wake it. Any context.
    #[link_name = "paddock_thread_has_no_waker"]
    pub safe fn has_no_waker(thread: &Thread);
}
