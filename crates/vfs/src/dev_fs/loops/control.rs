//! `/dev/loop-control`: which loop device is free.

use super::Loop;
use crate::dev_fs::Device;
use crate::{Errno, File, Inode, IoctlArg, Metadata, OpenFlags, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};

const LOOP_CTL_ADD: u32 = 0x4c80;
const LOOP_CTL_REMOVE: u32 = 0x4c81;
const LOOP_CTL_GET_FREE: u32 = 0x4c82;

/// The device, which knows all loop devices.
#[derive(Clone)]
pub struct LoopControl(pub Arc<Vec<Arc<Loop>>>);

impl Device for LoopControl {
    fn open(&self, inode: &Arc<dyn Inode>, _: OpenFlags) -> Result<Arc<dyn File>> {
        Ok(try_arc(ControlFile {
            inode: inode.clone(),
            all: self.clone(),
        })?)
    }
}

struct ControlFile {
    inode: Arc<dyn Inode>,
    all: LoopControl,
}

impl ControlFile {
    fn has(&self, number: u64) -> bool {
        (number as usize) < self.all.0.len()
    }
}

impl Pollable for ControlFile {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for ControlFile {
    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        match cmd {
            LOOP_CTL_GET_FREE => {
                let free = self.all.0.iter().find(|device| !device.is_attached());
                let free = free.ok_or(Errno::ENOSPC)?;
                Ok(free.number.into())
            }
            LOOP_CTL_ADD if self.has(arg.value()) => Err(Errno::EEXIST),
            LOOP_CTL_ADD => Err(Errno::ENOSPC),
            // They stay.
            LOOP_CTL_REMOVE if self.has(arg.value()) => Err(Errno::EBUSY),
            LOOP_CTL_REMOVE => Err(Errno::ENODEV),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
