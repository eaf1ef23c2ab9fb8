//! An open loop device.

use super::info::{self, AUTOCLEAR, About, INFO, INFO64, Info, READ_ONLY};
use super::{Host, Loop, SECTOR, Settings, Use};
use crate::dev_fs::Device;
use crate::{Errno, File, FileKind, Inode, IoctlArg, Metadata, OpenFile, OpenFlags, Result};
use alloc::sync::Arc;
use core::any::Any;
use paddock_sync::{Pollable, Ready, WaitQueue, try_arc};
use paddock_user_io::{UserReader, UserWriter};

const LOOP_SET_FD: u32 = 0x4c00;
const LOOP_CLR_FD: u32 = 0x4c01;
const LOOP_SET_STATUS: u32 = 0x4c02;
const LOOP_GET_STATUS: u32 = 0x4c03;
const LOOP_SET_STATUS64: u32 = 0x4c04;
const LOOP_GET_STATUS64: u32 = 0x4c05;
const LOOP_CHANGE_FD: u32 = 0x4c06;
const LOOP_SET_CAPACITY: u32 = 0x4c07;
const LOOP_SET_DIRECT_IO: u32 = 0x4c08;
const LOOP_SET_BLOCK_SIZE: u32 = 0x4c09;
const LOOP_CONFIGURE: u32 = 0x4c0a;

const BLKROGET: u32 = 0x125e;
const BLKGETSIZE: u32 = 0x1260;
const BLKFLSBUF: u32 = 0x1261;
const BLKSSZGET: u32 = 0x1268;
const BLKBSZGET: u32 = 0x8008_1270;
const BLKGETSIZE64: u32 = 0x8008_1272;
const BLKIOMIN: u32 = 0x1278;
const BLKIOOPT: u32 = 0x1279;
const BLKPBSZGET: u32 = 0x127b;

/// Bytes that are moved at once.
const PIECE: usize = 65_536;

/// The block device `/dev/loopN`.
pub struct LoopNode {
    /// Which it is.
    pub device: Arc<Loop>,
    /// Whom it asks.
    pub host: Arc<dyn Host>,
}

impl Device for LoopNode {
    /// `EBUSY` for one who wants it alone while it is mounted, `ENOMEM`.
    fn open(&self, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        if flags.contains(OpenFlags::EXCL) && self.device.is_mounted() {
            return Err(Errno::EBUSY);
        }
        Ok(try_arc(LoopFile {
            inode: inode.clone(),
            writable: flags.writable(),
            host: self.host.clone(),
            usage: Use::new(&self.device),
        })?)
    }
}

struct LoopFile {
    inode: Arc<dyn Inode>,
    writable: bool,
    host: Arc<dyn Host>,
    usage: Use,
}

impl LoopFile {
    fn device(&self) -> &Arc<Loop> {
        &self.usage.device
    }

    fn size(&self) -> u64 {
        let backing = self.device().backing();
        backing.map_or(0, |backing| backing.size())
    }

    fn block_size(&self) -> u32 {
        let backing = self.device().backing();
        backing.map_or(SECTOR as u32, |backing| backing.settings.lock().block_size)
    }

    /// Attaches the file of a descriptor.
    fn attach(&self, fd: i32, mut info: Info, block_size: u32) -> Result<()> {
        let file = self.host.open_file(fd)?;
        if is_of(&file, self.device()) {
            return Err(Errno::EBADF);
        }
        info.flags &= AUTOCLEAR | READ_ONLY;
        if !self.writable || !file.flags().writable() {
            info.flags |= READ_ONLY;
        }
        let settings = Settings { info, block_size };
        self.device().attach(file, settings, &self.host.account())
    }

    fn configure(&self, arg: &dyn IoctlArg) -> Result<()> {
        const INFO_AT: usize = 8;
        let head: [u8; INFO_AT] = info::read(arg, 0)?;
        let [fd, size] = [0, 4].map(|at| {
            let four = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            u32::from_le_bytes(four)
        });
        let block_size = match size {
            0 => SECTOR as u32,
            size => checked(size.into())?,
        };
        let info = Info::from_info64(&info::read(arg, INFO_AT)?)?;
        self.attach(fd as i32, info, block_size)
    }

    fn set(&self, wanted: Info) -> Result<()> {
        let backing = self.device().backing()?;
        let mut settings = backing.settings.lock();
        settings.info = settings.info.changed(wanted);
        drop(settings);
        backing.measure()
    }

    /// What is told of the device.
    fn told(&self) -> Result<(Info, About)> {
        let backing = self.device().backing()?;
        let metadata = backing.file().metadata()?;
        let about = About {
            number: self.device().number,
            device: metadata.device,
            inode: metadata.ino,
        };
        Ok((backing.info(), about))
    }

    /// `LOOP_CHANGE_FD`: another file of the same length, of a device that nobody writes.
    fn change(&self, fd: i32) -> Result<()> {
        let backing = self.device().backing()?;
        if !backing.is_read_only() {
            return Err(Errno::EINVAL);
        }
        let file = self.host.open_file(fd)?;
        let metadata = file.metadata()?;
        if metadata.kind != FileKind::Regular || metadata.size != backing.file().metadata()?.size {
            return Err(Errno::EINVAL);
        }
        let old = core::mem::replace(&mut *backing.file.lock(), file);
        drop(old);
        Ok(())
    }
}

/// A size of blocks that there can be. `EINVAL`.
fn checked(size: u64) -> Result<u32> {
    const MOST: u64 = 4096;
    match size.is_power_of_two() && (SECTOR..=MOST).contains(&size) {
        true => Ok(size as u32),
        false => Err(Errno::EINVAL),
    }
}

/// Whether a file is an open device of that number itself.
fn is_of(file: &OpenFile, device: &Arc<Loop>) -> bool {
    let other = file.file().as_any().downcast_ref::<LoopFile>();
    other.is_some_and(|other| Arc::ptr_eq(other.device(), device))
}

impl Pollable for LoopFile {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for LoopFile {
    fn seekable(&self) -> bool {
        true
    }

    fn read(&self, pos: &mut u64, to: &mut UserWriter<'_>) -> Result<usize> {
        let mut done = 0;
        loop {
            let left = self.size().saturating_sub(*pos);
            let count = left.min(PIECE as u64).min(to.left() as u64) as usize;
            if count == 0 {
                return Ok(done);
            }
            let backing = self.device().backing()?;
            let moved = to.with_buffer(count, |bytes| {
                backing.read(*pos, bytes)?;
                Ok(bytes.len())
            });
            match moved {
                Ok(moved) => {
                    (done, *pos) = (done + moved, *pos + moved as u64);
                    if moved < count {
                        return Ok(done);
                    }
                }
                Err(_) if done > 0 => return Ok(done),
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&self, pos: &mut u64, from: &mut UserReader<'_>) -> Result<usize> {
        let backing = self.device().backing().ok();
        if backing.as_ref().is_some_and(|it| it.is_read_only()) {
            return Err(Errno::EPERM);
        }
        let mut done = 0;
        while !from.is_empty() {
            let left = self.size().saturating_sub(*pos);
            let count = left.min(PIECE as u64).min(from.left() as u64) as usize;
            let moved = match (&backing, count) {
                (None, _) | (_, 0) => Err(Errno::ENOSPC),
                (Some(backing), _) => from.with_bytes(count, |bytes| {
                    backing.write(*pos, bytes)?;
                    Ok(bytes.len())
                }),
            };
            match moved {
                Ok(moved) => (done, *pos) = (done + moved, *pos + moved as u64),
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn seek_end(&self) -> Result<u64> {
        Ok(self.size())
    }

    fn ioctl(&self, cmd: u32, arg: &mut dyn IoctlArg) -> Result<u64> {
        let fd = arg.value() as i32;
        match cmd {
            LOOP_SET_FD => self.attach(fd, Info::default(), SECTOR as u32)?,
            LOOP_CONFIGURE => self.configure(arg)?,
            LOOP_CLR_FD => self.device().detach()?,
            LOOP_CHANGE_FD => self.change(fd)?,
            LOOP_SET_STATUS => self.set(Info::from_info(&info::read::<INFO>(arg, 0)?)?)?,
            LOOP_SET_STATUS64 => self.set(Info::from_info64(&info::read::<INFO64>(arg, 0)?)?)?,
            LOOP_GET_STATUS => {
                let (info, about) = self.told()?;
                arg.write(0, &info.to_info(about)?)?;
            }
            LOOP_GET_STATUS64 => {
                let (info, about) = self.told()?;
                arg.write(0, &info.to_info64(about))?;
            }
            LOOP_SET_CAPACITY => self.device().backing()?.measure()?,
            LOOP_SET_BLOCK_SIZE => {
                let backing = self.device().backing()?;
                backing.settings.lock().block_size = checked(arg.value())?;
            }
            // What is read and written goes through the cache of the file.
            LOOP_SET_DIRECT_IO => match (self.device().backing()?, arg.value()) {
                (_, 0) => {}
                _ => return Err(Errno::EINVAL),
            },
            BLKROGET => {
                let backing = self.device().backing();
                let read_only = backing.is_ok_and(|backing| backing.is_read_only());
                arg.write_i32(read_only.into())?;
            }
            BLKGETSIZE => arg.write(0, &(self.size() / SECTOR).to_le_bytes())?,
            BLKGETSIZE64 => arg.write(0, &self.size().to_le_bytes())?,
            BLKFLSBUF => self.sync()?,
            BLKSSZGET | BLKPBSZGET | BLKIOMIN => arg.write_i32(self.block_size() as i32)?,
            BLKBSZGET => arg.write_i32(4096)?,
            BLKIOOPT => arg.write_i32(0)?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inode.metadata()
    }

    fn sync(&self) -> Result<()> {
        match self.device().backing() {
            Ok(backing) => backing.file().sync(),
            Err(_) => Ok(()),
        }
    }

    fn inode(&self) -> Option<&Arc<dyn Inode>> {
        Some(&self.inode)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl super::Backing {
    /// Bytes in a block, as programs are told.
    #[cfg(test)]
    pub(super) fn blocks_of(&self) -> (u32, u64) {
        (self.settings.lock().block_size, self.size())
    }
}
