use super::*;
use crate::path::NoSpecialNodes;
use crate::{MountNamespace, PathContext, Timestamp};
use core::sync::atomic::{AtomicU64, Ordering};
use paddock_abi::stat::PROC_SUPER_MAGIC;
use paddock_cred::UserNamespace;
use paddock_sync::{PreemptOff, Rank, SpinLock};

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

type Pids = SpinLock<Vec<u64>, PreemptOff>;

/// Directories that come and go, such as those of processes.
struct Processes(Arc<Pids>);

impl ProcDir for Processes {
    fn lookup(&self, name: &[u8]) -> Result<ProcNode> {
        let pid = core::str::from_utf8(name)
            .ok()
            .and_then(|name| name.parse().ok());
        let pid: u64 = pid.ok_or(Errno::ENOENT)?;
        if !self.0.lock().contains(&pid) {
            return Err(Errno::ENOENT);
        }
        let status = ProcNode::text(move |out| {
            out.extend_from_slice(format!("pid {pid}\n").as_bytes());
            Ok(())
        });
        Ok(ProcNode::dir(StaticDir::new().with("status", status)).owned_by(5, 6))
    }

    fn list(&self) -> Result<Vec<ProcName>> {
        let name = |&pid: &u64| ProcName {
            key: pid,
            name: pid.to_string().into_bytes(),
            kind: FileKind::Directory,
        };
        Ok(self.0.lock().iter().map(name).collect())
    }
}

fn setup() -> (Arc<MountNamespace>, PathContext, Arc<Pids>) {
    let pids = Arc::new(Pids::new(Rank::Leaf, vec![1, 7, 30]));
    let counter = AtomicU64::new(0);
    let uptime = ProcNode::text(move |out| {
        let count = counter.fetch_add(1, Ordering::Relaxed);
        out.extend_from_slice(format!("{count}{}", "x".repeat(100)).as_bytes());
        Ok(())
    });
    let this = ProcNode::link(|| Ok(b"7".to_vec()));
    let root = StaticDir::new()
        .with("uptime", uptime)
        .with("self", this)
        .with_more(Processes(pids.clone()));
    let fs = ProcFs::new(
        "proc",
        PROC_SUPER_MAGIC,
        3,
        Arc::new(Stopped),
        Arc::new(root),
        UserNamespace::INITIAL,
    );
    let namespace = MountNamespace::new(fs.unwrap(), "proc", Arc::new(NoSpecialNodes), 64).unwrap();
    let context = PathContext::root_at(namespace.root());
    (namespace, context, pids)
}

fn read(namespace: &MountNamespace, context: &PathContext, path: &str) -> Result<String> {
    let file = namespace.open(context, path.as_bytes(), OpenFlags::empty(), 0)?;
    let mut buf = vec![0; 4096];
    let len = file.read(&mut buf)?;
    Ok(String::from_utf8(buf[..len].to_vec()).unwrap())
}

#[test]
fn entries_come_and_go() {
    let (namespace, context, pids) = setup();
    assert_eq!(
        read(&namespace, &context, "/self/status").unwrap(),
        "pid 7\n"
    );
    let dir = namespace
        .open(&context, b"/", OpenFlags::DIRECTORY, 0)
        .unwrap();
    let mut names = Vec::new();
    let mut most = 4;
    let mut next = |names: &mut Vec<String>| {
        let start = names.len();
        dir.readdir(&mut |entry| {
            let fits = names.len() < start + most;
            if fits {
                names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            }
            fits
        })
        .unwrap();
        most = 99;
    };
    next(&mut names);
    assert_eq!(names, [".", "..", "uptime", "self"]);
    pids.lock().retain(|pid| *pid != 1);
    pids.lock().push(31);
    next(&mut names);
    assert_eq!(names[4..], ["7", "30", "31"]);
    assert_eq!(read(&namespace, &context, "/1/status"), Err(Errno::ENOENT));
    let meta = namespace.resolve(&context, b"/30", true).unwrap();
    let meta = meta.inode().metadata().unwrap();
    assert_eq!((meta.uid, meta.gid, meta.mode), (5, 6, 0o555));
}

#[test]
fn a_text_is_read_in_one_piece() {
    let (namespace, context, _) = setup();
    let file = namespace
        .open(&context, b"/uptime", OpenFlags::empty(), 0)
        .unwrap();
    let mut first = [0; 1];
    let mut rest = [0; 200];
    assert_eq!(file.read(&mut first), Ok(1));
    assert_eq!((first[0], file.read(&mut rest)), (b'0', Ok(100)));
    assert_eq!(file.read(&mut rest), Ok(0));
    assert_eq!(file.seek(0, 0), Ok(0));
    assert_eq!(file.read(&mut first), Ok(1));
    assert_eq!(first[0], b'1');
    assert_eq!(file.pread(0, &mut (&mut first).into()), Ok(1));
    assert_eq!(first[0], b'2');
}

#[test]
fn nothing_can_be_made_or_removed() {
    let (namespace, context, _) = setup();
    assert_eq!(
        namespace.mkdir(&context, b"/new", 0o755).err(),
        Some(Errno::EPERM)
    );
    assert_eq!(namespace.unlink(&context, b"/uptime"), Err(Errno::EPERM));
    assert_eq!(namespace.rmdir(&context, b"/99"), Err(Errno::ENOENT));
    let flags = OpenFlags::WRONLY | OpenFlags::TRUNC;
    let file = namespace.open(&context, b"/uptime", flags, 0).unwrap();
    assert_eq!(file.write(b"1"), Err(Errno::EACCES));
}

/// A link to a place that no path leads to.
struct Jump(Arc<paddock_sync::OnceCell<Path>>);

impl ProcLink for Jump {
    fn target(&self) -> Result<Vec<u8>> {
        Ok(b"pipe:[1]".to_vec())
    }

    fn jump(&self) -> Option<Path> {
        self.0.get().cloned()
    }
}

#[test]
fn links_lead_to_what_has_no_name() {
    let place = Arc::new(paddock_sync::OnceCell::new());
    let root = StaticDir::new()
        .with("1", ProcNode::link(Jump(place.clone())))
        .with(
            "text",
            ProcNode::text(|out| {
                out.extend_from_slice(b"found");
                Ok(())
            }),
        );
    let owner = UserNamespace::INITIAL;
    let fs = ProcFs::new("proc", 0, 3, Arc::new(Stopped), Arc::new(root), owner).unwrap();
    let text = fs.root().lookup(b"text").unwrap();
    let namespace = MountNamespace::new(fs, "proc", Arc::new(NoSpecialNodes), 64).unwrap();
    let context = PathContext::root_at(namespace.root());
    let open = |flags| namespace.open(&context, b"/1", flags, 0o600);
    assert_eq!(open(OpenFlags::empty()).unwrap_err(), Errno::ENOENT);
    assert!(place.set(namespace.nameless(text).unwrap()).is_ok());
    for flags in [OpenFlags::empty(), OpenFlags::CREAT] {
        let mut buf = [0; 16];
        assert_eq!(open(flags).unwrap().read(&mut buf), Ok(5));
        assert_eq!(&buf[..5], b"found");
    }
    let exclusive = OpenFlags::CREAT | OpenFlags::EXCL;
    assert_eq!(open(exclusive).unwrap_err(), Errno::EEXIST);
}

#[test]
fn what_is_mounted_on_a_folder_goes_with_what_that_stands_for() {
    let (namespace, context, pids) = setup();
    let mount = |path: &[u8]| {
        let fs = crate::mem_fs::MemFs::new(
            9,
            1 << 20,
            0o755,
            Arc::new(Stopped),
            Arc::new(crate::HeapPages),
        );
        let none = crate::path::MountFlags::empty();
        namespace.mount(&context, path, fs.unwrap(), "m", none)
    };
    mount(b"/7").unwrap();
    mount(b"/30").unwrap();
    let seven = namespace.resolve(&context, b"/30", true).unwrap();
    let folder = seven.mount().above().unwrap().inode().ino();
    drop(seven);
    pids.lock().retain(|pid| *pid != 30);
    let is_of_it = |inode: &dyn Inode| inode.ino() == folder;
    namespace.uncover_ended(&|_| false).unwrap();
    assert_eq!(namespace.mounts(&context.root).unwrap().len(), 3);
    namespace.uncover_ended(&is_of_it).unwrap();
    let left = namespace.mounts(&context.root).unwrap();
    let places: Vec<_> = left.into_iter().map(|info| info.target).collect();
    assert_eq!(places, [b"/".to_vec(), b"/7".to_vec()]);
}
