//! Quotas of disks: quotactl(2), quotactl_fd(2). No filesystem keeps any: each answers as
//! Linux's does whose quotas are off.

use super::Call;
use crate::process::vfs::namespace;
use crate::user_memory::{UserPtr, read_path};
use paddock_abi::{Errno, Result};
use paddock_cred::Cap;
use paddock_vfs::{FileKind, FileSystem};

/// Kinds of quotas: of users, groups and projects.
const KINDS: u32 = 3;
const Q_SYNC: u32 = 0x80_0001;
const Q_QUOTAON: u32 = 0x80_0002;
const Q_QUOTAOFF: u32 = 0x80_0003;
const Q_GETFMT: u32 = 0x80_0004;
const Q_GETINFO: u32 = 0x80_0005;
const Q_SETINFO: u32 = 0x80_0006;
const Q_GETQUOTA: u32 = 0x80_0007;
const Q_SETQUOTA: u32 = 0x80_0008;
const Q_GETNEXTQUOTA: u32 = 0x80_0009;
/// Those of XFS.
const Q_XQUOTAON: u32 = 0x5801;
const Q_XQUOTAOFF: u32 = 0x5802;
const Q_XGETQUOTA: u32 = 0x5803;
const Q_XSETQLIM: u32 = 0x5804;
const Q_XGETQSTAT: u32 = 0x5805;
const Q_XQUOTARM: u32 = 0x5806;
const Q_XQUOTASYNC: u32 = 0x5807;
const Q_XGETQSTATV: u32 = 0x5808;
const Q_XGETNEXTQUOTA: u32 = 0x5809;
/// Bytes of `struct if_dqinfo`, `struct if_dqblk` and `struct fs_disk_quota`.
const INFO: usize = 24;
const BLOCK: usize = 72;
const DISK_QUOTA: usize = 112;
/// Everybody's number that is nobody's.
const NO_ID: u32 = u32::MAX;

/// Command and kind. `EINVAL` for a kind that there is not.
fn command(word: u32) -> Result<(u32, u32)> {
    match word & 0xff {
        kind @ 0..KINDS => Ok((word >> 8, kind)),
        _ => Err(Errno::EINVAL),
    }
}

/// quotactl(2): no filesystem keeps quotas (`ESRCH`).
pub fn quotactl(call: &mut Call<'_>) -> Result<u64> {
    let (command, kind) = command(call.uint(0))?;
    if call.word(1) == 0 {
        // All of them are up to date.
        return match command {
            Q_SYNC => Ok(0),
            _ => Err(Errno::ENODEV),
        };
    }
    let on_file = match command {
        Q_QUOTAON => {
            let path = read_path(call.word(3));
            path.and_then(|path| namespace().resolve(&call.context(), &path, true).map(drop))
        }
        _ => Ok(()),
    };
    let device = read_path(call.word(1))?;
    let at = namespace().resolve(&call.context(), &device, true)?;
    let metadata = at.inode().metadata()?;
    if metadata.kind != FileKind::BlockDevice {
        return Err(Errno::ENOTBLK);
    }
    let fs = namespace().on_device(metadata.rdev).ok_or(Errno::ENODEV)?;
    answer(
        call,
        &*fs,
        (command, kind, call.uint(2)),
        call.word(3),
        on_file,
    )
}

/// quotactl_fd(2): likewise.
pub fn quotactl_fd(call: &mut Call<'_>) -> Result<u64> {
    let (command, kind) = command(call.uint(1))?;
    let file = call.file(0)?;
    let Some(path) = file.path() else {
        return Err(Errno::ENOSYS);
    };
    let changes = !matches!(
        command,
        Q_GETFMT
            | Q_GETINFO
            | Q_SYNC
            | Q_XGETQSTAT
            | Q_XGETQSTATV
            | Q_XGETQUOTA
            | Q_XGETNEXTQUOTA
            | Q_XQUOTASYNC
    );
    if changes {
        path.mount().check_writable()?;
    }
    let (request, to) = ((command, kind, call.uint(2)), call.word(3));
    answer(call, &**path.mount().fs(), request, to, Err(Errno::EINVAL))
}

/// What a filesystem says whose quotas are off.
fn answer(
    call: &Call<'_>,
    fs: &dyn FileSystem,
    (command, kind, id): (u32, u32, u32),
    address: u64,
    on_file: Result<()>,
) -> Result<u64> {
    if !fs.has_disk() {
        return Err(Errno::ENOSYS);
    }
    let own = || {
        let of = |cred: &paddock_cred::Cred| match kind {
            0 => cred.uid.effective == id,
            1 => cred.in_group(id),
            _ => false,
        };
        call.thread.with_cred(of)
    };
    let may = match command {
        Q_GETFMT | Q_SYNC | Q_GETINFO | Q_XGETQSTAT | Q_XGETQSTATV | Q_XQUOTASYNC => true,
        Q_GETQUOTA | Q_XGETQUOTA => own(),
        _ => false,
    };
    if !may {
        call.require(Cap::CAP_SYS_ADMIN)?;
    }
    match command {
        Q_QUOTAON => on_file.and(Err(Errno::EINVAL)),
        Q_QUOTAOFF | Q_SYNC => Ok(0),
        Q_GETFMT | Q_GETINFO => Err(Errno::ESRCH),
        Q_SETINFO => UserPtr::<[u8; INFO]>::new(address)
            .read()
            .and(Err(Errno::ESRCH)),
        Q_SETQUOTA => of_id(id, UserPtr::<[u8; BLOCK]>::new(address).read().map(drop)),
        Q_XSETQLIM => of_id(
            id,
            UserPtr::<[u8; DISK_QUOTA]>::new(address).read().map(drop),
        ),
        Q_GETQUOTA | Q_GETNEXTQUOTA | Q_XGETQUOTA | Q_XGETNEXTQUOTA => of_id(id, Ok(())),
        Q_XQUOTAON | Q_XQUOTAOFF | Q_XQUOTARM | Q_XGETQSTAT | Q_XGETQSTATV => Err(Errno::ENOSYS),
        Q_XQUOTASYNC if fs.read_only() || fs.state().is_read_only() => Err(Errno::EROFS),
        Q_XQUOTASYNC => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// There is nothing of an id: `EINVAL` for one that is nobody's.
fn of_id(id: u32, read: Result<()>) -> Result<u64> {
    read?;
    match id {
        NO_ID => Err(Errno::EINVAL),
        _ => Err(Errno::ESRCH),
    }
}
