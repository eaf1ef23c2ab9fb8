//! The on-disk filesystem: ext4 behind the vfs traits.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
