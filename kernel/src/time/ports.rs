//! What the clocks tell those who watch over them, who are above: found when the kernel
//! is linked, as `paddock_sync`'s platform is.

unsafe extern "Rust" {
    /// An alarm is missed that was to go off at `armed` (ns since boot), or somebody
    /// has an earlier one. On the CPU of the timer, interrupts masked.
    #[link_name = "paddock_time_alarm_is_missed"]
    pub safe fn alarm_is_missed(armed: u64);

    /// The alarms' timer has fired, which was set to `armed` (ns since boot).
    /// Interrupt context.
    #[link_name = "paddock_time_alarm_fired"]
    pub safe fn alarm_fired(armed: u64);

    /// `woken` tasks were due when it did. Whether it has to be set anew, whatever was
    /// done to it: it fires for nothing again and again. Interrupt context.
    #[link_name = "paddock_time_alarm_served"]
    pub safe fn alarm_served(woken: usize) -> bool;
}
