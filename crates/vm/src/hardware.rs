//! What address spaces need of the machine.

/// Frames, the translation caches and the instruction cache.
///
/// # Safety
/// `frame_pointer` must give memory of one page that stays valid while the
/// frame has an owner, and `allocate` a frame that nobody else uses.
pub unsafe trait Hardware: 'static {
    /// A frame filled with zeros, with one owner. Any context.
    fn allocate() -> Option<u64>;
    /// Adds an owner of a frame.
    fn retain(frame: u64);
    /// Takes an owner away; the last one's going frees the frame.
    fn release(frame: u64);
    /// Whether the frame has exactly one owner.
    fn is_unique(frame: u64) -> bool;
    /// Where the kernel sees the frame.
    fn frame_pointer(frame: u64) -> *mut u8;
    /// Makes entries that were invalid before visible to the table walker.
    fn publish_entries();
    /// Forgets the translation of one page in one address space, on all CPUs.
    fn flush_page(asid: u16, address: u64);
    /// Forgets all translations of one address space, on all CPUs.
    fn flush_space(asid: u16);
    /// Makes the frame's content fetchable as instructions.
    fn publish_code(frame: u64);
}
