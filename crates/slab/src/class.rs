//! Size classes.

use crate::slab::USABLE;
use core::alloc::Layout;

/// Sizes of objects: multiples of 16 that divide a slab with little left over.
const SIZES: [u16; CLASSES] = [
    16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 672, 800, 1008,
    1344, 2032,
];
/// How many classes there are.
pub const CLASSES: usize = 22;
/// Bytes by which the table below tells sizes apart.
const STEP: usize = 16;
/// The largest object that shares a frame with another.
const LARGEST: usize = SIZES[CLASSES - 1] as usize;

/// From a size, in units of [`STEP`], to the smallest class that holds it.
const CLASS_OF_STEPS: [u8; LARGEST / STEP + 1] = {
    let mut table = [0; LARGEST / STEP + 1];
    let mut steps = 0;
    let mut class = 0;
    while steps < table.len() {
        while (SIZES[class] as usize) < steps * STEP {
            class += 1;
        }
        table[steps] = class as u8;
        steps += 1;
    }
    table
};

const _: () = assert!(2 * LARGEST <= USABLE);

/// Bytes of an object of a class.
pub const fn size(class: usize) -> usize {
    SIZES[class] as usize
}

/// The class for `layout`; `None` if it needs frames of its own.
#[inline]
pub fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() > LARGEST {
        return None;
    }
    let class = usize::from(CLASS_OF_STEPS[layout.size().div_ceil(STEP)]);
    if layout.align() <= STEP {
        return Some(class);
    }
    // Objects lie at multiples of their size from a frame's start.
    (class..CLASSES).find(|&class| size(class).is_multiple_of(layout.align()))
}
