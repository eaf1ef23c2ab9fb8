use super::file::LoopNode;
use super::*;
use crate::dev_fs::Device;
use crate::mem_fs::MemFs;
use crate::{Clock, Cred, File, FileSystem, HeapPages, IoctlArg, NewNode, OpenFlags, Timestamp};
use std::sync::Mutex;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

/// One descriptor, 3.
struct Files(Mutex<Option<Arc<OpenFile>>>, Arc<Account>);

impl Host for Files {
    fn open_file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let file = self.0.lock().unwrap().clone();
        file.filter(|_| fd == 3).ok_or(Errno::EBADF)
    }

    fn account(&self) -> Arc<Account> {
        self.1.clone()
    }
}

/// An argument that is a number, or some memory.
struct Arg(u64, Vec<u8>);

impl IoctlArg for Arg {
    fn value(&self) -> u64 {
        self.0
    }

    fn read(&self, offset: usize, buf: &mut [u8]) -> Result<()> {
        buf.copy_from_slice(
            self.1
                .get(offset..offset + buf.len())
                .ok_or(Errno::EFAULT)?,
        );
        Ok(())
    }

    fn write(&mut self, offset: usize, buf: &[u8]) -> Result<()> {
        self.1.resize(self.1.len().max(offset + buf.len()), 0);
        self.1[offset..offset + buf.len()].copy_from_slice(buf);
        Ok(())
    }
}

fn call(file: &Arc<dyn File>, command: u32, value: u64) -> Result<u64> {
    file.ioctl(command, &mut Arg(value, Vec::new()))
}

fn told(file: &Arc<dyn File>, command: u32) -> Result<Vec<u8>> {
    let mut arg = Arg(0, Vec::new());
    file.ioctl(command, &mut arg)?;
    Ok(arg.1)
}

struct Setup {
    device: Arc<Loop>,
    host: Arc<Files>,
    fs: Arc<MemFs>,
}

impl Setup {
    fn new() -> Setup {
        let pages = Arc::new(HeapPages);
        let fs = MemFs::new(1, 1 << 20, 0o755, Arc::new(Stopped), pages).unwrap();
        let account = Account::of_user(1 << 20).unwrap();
        Setup {
            device: Loop::new(5).unwrap(),
            host: Arc::new(Files(Mutex::new(None), account)),
            fs,
        }
    }

    /// Has descriptor 3 be a file of so many bytes.
    fn give(&self, length: usize, flags: OpenFlags) {
        let node = NewNode::new(FileKind::Regular, 0o600, &Cred::root());
        let name = format!("{length}");
        let inode = self.fs.root().create(name.as_bytes(), &node).unwrap();
        inode
            .write_at(0, &mut (&vec![7; length][..]).into())
            .unwrap();
        let file = Arc::new(crate::InodeFile::new(inode, 1));
        let file = OpenFile::new(file, None, flags).unwrap();
        *self.host.0.lock().unwrap() = Some(file);
    }

    fn open(&self, flags: OpenFlags) -> Result<Arc<dyn File>> {
        let node = LoopNode {
            device: self.device.clone(),
            host: self.host.clone(),
        };
        node.open(&self.fs.root(), flags)
    }
}

const SET_FD: u32 = 0x4c00;
const CLR_FD: u32 = 0x4c01;
const GET_STATUS: u32 = 0x4c03;
const SET_STATUS64: u32 = 0x4c04;
const GET_STATUS64: u32 = 0x4c05;
const SIZE: u32 = 0x8008_1272;

fn size(file: &Arc<dyn File>) -> u64 {
    u64::from_le_bytes(told(file, SIZE).unwrap().try_into().unwrap())
}

#[test]
fn a_file_is_a_device_until_it_is_let_go_of() {
    let setup = Setup::new();
    let file = setup.open(OpenFlags::RDWR).unwrap();
    for command in [CLR_FD, GET_STATUS64, 0x4c07] {
        assert_eq!(call(&file, command, 0), Err(Errno::ENXIO));
    }
    assert_eq!(call(&file, SET_FD, 9), Err(Errno::EBADF));
    assert_eq!(size(&file), 0);
    setup.give(5000, OpenFlags::RDWR);
    assert_eq!(call(&file, SET_FD, 3), Ok(0));
    assert_eq!(call(&file, SET_FD, 3), Err(Errno::EBUSY));
    assert_eq!(size(&file), 4608);
    let mut bytes = [0; 600];
    let count = file.read(&mut 4500, &mut (&mut bytes[..]).into());
    assert_eq!((count, bytes[0], bytes[107]), (Ok(108), 7, 7));
    assert_eq!(file.write(&mut 4600, &mut (&[9; 20][..]).into()), Ok(8));
    let beyond = file.write(&mut 4608, &mut (&[9; 20][..]).into());
    assert_eq!(beyond, Err(Errno::ENOSPC));
    let mut wanted = told(&file, GET_STATUS64).unwrap();
    assert_eq!((wanted[40], wanted[52]), (5, 0));
    wanted[24..32].copy_from_slice(&512u64.to_le_bytes());
    wanted[32..40].copy_from_slice(&1024u64.to_le_bytes());
    wanted[56] = b'x';
    file.ioctl(SET_STATUS64, &mut Arg(0, wanted)).unwrap();
    assert_eq!(size(&file), 1024);
    assert_eq!(told(&file, GET_STATUS).unwrap()[36], b'x');
    assert_eq!(setup.device.backing().unwrap().blocks_of(), (512, 1024));
    let (disk, usage) = setup.device.disk().unwrap();
    assert_eq!(setup.device.disk().err(), Some(Errno::EBUSY));
    assert_eq!(
        setup.open(OpenFlags::RDWR | OpenFlags::EXCL).err(),
        Some(Errno::EBUSY)
    );
    disk.write(1, &[3; 512]).unwrap();
    disk.read(1, &mut bytes[..512]).unwrap();
    assert_eq!(bytes[..512], [3; 512]);
    assert_eq!(disk.read(2, &mut bytes[..512]), Err(Errno::EIO));
    // It is in use, and goes with the last user.
    assert_eq!(call(&file, CLR_FD, 0), Ok(0));
    assert!(setup.device.is_attached());
    drop((disk, usage));
    assert!(setup.device.is_attached());
    drop(file);
    assert!(!setup.device.is_attached());
    assert_eq!(setup.host.1.bytes(), 0);
}

#[test]
fn what_cannot_be_written_is_not() {
    let setup = Setup::new();
    setup.give(1024, OpenFlags::RDWR);
    let file = setup.open(OpenFlags::empty()).unwrap();
    assert_eq!(call(&file, SET_FD, 3), Ok(0));
    assert_eq!(told(&file, GET_STATUS64).unwrap()[52], 1);
    let written = file.write(&mut 0, &mut (&[9; 20][..]).into());
    assert_eq!(written, Err(Errno::EPERM));
    assert_eq!(
        setup.device.disk().unwrap().0.write(0, &[0; 512]),
        Err(Errno::EROFS)
    );
    assert_eq!(call(&file, 0x4c06, 9), Err(Errno::EBADF));
    setup.give(2048, OpenFlags::RDWR);
    assert_eq!(call(&file, 0x4c06, 3), Err(Errno::EINVAL));
    for (size, result) in [
        (511, Err(Errno::EINVAL)),
        (1024, Ok(0)),
        (8192, Err(Errno::EINVAL)),
    ] {
        assert_eq!(call(&file, 0x4c09, size), result);
    }
    assert_eq!(call(&file, CLR_FD, 0), Ok(0));
    assert_eq!(call(&file, CLR_FD, 0), Err(Errno::ENXIO));
}
