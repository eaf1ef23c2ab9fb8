//! Control groups (cgroups(7)), where the machine has them and herd may make
//! some: one for each service that runs, which no process of it can leave.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::config::Service;

/// Controllers that services' keys need.
const CONTROLLERS: [&str; 3] = ["+cpu", "+memory", "+pids"];

/// Bytes of notes that are read at once.
const NOTES: usize = 4096;

/// The group in which those of services are.
pub(crate) struct Groups {
    top: PathBuf,
    /// Tells when a group that is watched has become empty.
    notes: OwnedFd,
    watched: HashMap<i32, String>,
    /// Whether there is the controller of memory.
    counts_memory: bool,
}

impl Groups {
    /// Makes it: `herd` below herd's own group, or one that belongs to `root`
    /// alone if that is another. `None` if there are no such groups here.
    ///
    /// # Errors
    /// There are some, and herd may make none.
    pub(crate) fn find(root: &Path) -> io::Result<Option<Groups>> {
        let Some(own) = own_group() else {
            return Ok(None);
        };
        let top = own.join(top_name(root));
        // Where herd is in the root of all, that may give them to others.
        enable(&own);
        create_unless_there(&top)?;
        try_out(&own, &top)?;
        enable(&top);
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let given = fs::read_to_string(top.join("cgroup.subtree_control"))?;
        Ok(Some(Groups {
            counts_memory: given.split_whitespace().any(|name| name == "memory"),
            top,
            notes: inotify::init(flags)?,
            watched: HashMap::new(),
        }))
    }

    pub(crate) fn top(&self) -> &Path {
        &self.top
    }

    /// Where a service's is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top.join(name)
    }

    /// Makes the group of a service, with the limits of its definition. The
    /// file through which a process comes into it, and which limits cannot be
    /// had.
    ///
    /// # Errors
    /// Those of the file system; `ResourceBusy` if there are processes in it:
    /// they are killed.
    pub(crate) fn make(&self, name: &str, service: &Service) -> io::Result<(File, Vec<String>)> {
        let path = self.path(name);
        let is_new = create_unless_there(&path)?;
        if !is_new && self.is_populated(name) {
            self.kill(name)?;
            return Err(ErrorKind::ResourceBusy.into());
        }
        let mut missing = Vec::new();
        for (key, file, value) in limits(service) {
            if let Err(error) = fs::write(path.join(file), value) {
                missing.push(match error.kind() {
                    ErrorKind::NotFound => format!("{key}: this machine has no {file}"),
                    _ => format!("{key}: {error}"),
                });
            }
        }
        let procs = OpenOptions::new()
            .write(true)
            .open(path.join("cgroup.procs"))?;
        Ok((procs, missing))
    }

    /// How much CPU time its processes have used, in microseconds.
    pub(crate) fn cpu_us(&self, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.path(name).join("cpu.stat")).ok()?;
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok())
    }

    /// Whether there is one of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).is_dir()
    }

    /// Whether there are processes in it.
    pub(crate) fn is_populated(&self, name: &str) -> bool {
        let events = fs::read_to_string(self.path(name).join("cgroup.events"));
        events.is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
    }

    /// Kills all that is in it.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn kill(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::write(path.join("cgroup.kill"), "1") {
            // Linux before 5.14: one by one, as long as more come.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let all = fs::read_to_string(path.join("cgroup.procs"))?;
                let all = all.lines().filter_map(|line| line.parse().ok());
                all.for_each(super::job::kill);
                Ok(())
            }
            result => result,
        }
    }

    /// From now on [`Self::changed`] names it when it may have become empty.
    ///
    /// # Errors
    /// Those of `inotify_add_watch(2)`.
    pub(crate) fn watch(&mut self, name: &str) -> io::Result<()> {
        let file = self.path(name).join("cgroup.events");
        let watch = inotify::add_watch(&self.notes, file, WatchFlags::MODIFY)?;
        self.watched.insert(watch, name.to_owned());
        Ok(())
    }

    /// Readable when [`Self::changed`] has some.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.notes.as_fd()
    }

    /// Groups of which something is new.
    pub(crate) fn changed(&mut self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); NOTES];
        let mut reader = Reader::new(&self.notes, &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = reader.next() {
            names.extend(self.watched.get(&event.wd()).cloned());
            if reader.is_buffer_empty() {
                break;
            }
        }
        names
    }

    /// Takes the group of a service away: nobody is in it.
    pub(crate) fn remove(&mut self, name: &str) {
        let watch = self.watched.iter().find(|(_, watched)| *watched == name);
        if let Some(watch) = watch.map(|(watch, _)| *watch) {
            let _ = inotify::remove_watch(&self.notes, watch);
            self.watched.remove(&watch);
        }
        // One that stays is used again.
        let _ = fs::remove_dir(self.path(name));
    }

    /// Takes away all of it.
    pub(crate) fn end(&self) {
        let _ = fs::remove_dir(&self.top);
    }

    /// How much memory its processes have, in bytes, where that is counted.
    pub(crate) fn memory(&self, name: &str) -> Option<u64> {
        match self.counts_memory {
            true => self.number(name, "memory.current"),
            false => None,
        }
    }

    /// Whether some of its processes were killed for want of memory.
    pub(crate) fn lacked_memory(&self, name: &str) -> bool {
        let events = fs::read_to_string(self.path(name).join("memory.events"));
        let count = |text: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok())
        };
        events.is_ok_and(|text| count(&text).is_some_and(|count| count > 0))
    }

    /// A number in a file of the group.
    fn number(&self, name: &str, file: &str) -> Option<u64> {
        let text = fs::read_to_string(self.path(name).join(file)).ok()?;
        text.trim().parse().ok()
    }

    /// How many tasks there are in it; processes, where tasks are not counted.
    pub(crate) fn tasks(&self, name: &str) -> Option<u64> {
        let listed = || {
            let text = fs::read_to_string(self.path(name).join("cgroup.procs")).ok()?;
            Some(text.lines().count() as u64)
        };
        self.number(name, "pids.current").or_else(listed)
    }
}

/// The keys of a definition that the group keeps, with its files.
fn limits(service: &Service) -> impl Iterator<Item = (&'static str, &'static str, String)> {
    let memory = service.memory_max.map(|size| size.0.to_string());
    let pids = service.pids_max.map(|most| most.to_string());
    let cpu = service.cpu_weight.map(|weight| weight.to_string());
    [
        ("memory_max", "memory.max", memory),
        ("pids_max", "pids.max", pids),
        ("cpu_weight", "cpu.weight", cpu),
    ]
    .into_iter()
    .filter_map(|(key, file, value)| Some((key, file, value?)))
}

/// Makes the directory of a group; false if it is there already.
fn create_unless_there(path: &Path) -> io::Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether processes can be put into groups below `top`: herd goes into one and
/// comes back. A container may show groups that can be made and not used.
fn try_out(own: &Path, top: &Path) -> io::Result<()> {
    // No service is called so.
    let trial = top.join(".trial");
    create_unless_there(&trial)?;
    let procs = |group: &Path| group.join("cgroup.procs");
    let went = fs::write(procs(&trial), "0").and_then(|()| fs::write(procs(own), "0"));
    let _ = fs::remove_dir(trial);
    went
}

/// Has groups below one have controllers, as far as that gives any.
fn enable(group: &Path) {
    // Groups beside processes may have none, but in the root.
    let is_root = !group.join("cgroup.type").exists();
    let is_empty =
        || fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|text| text.is_empty());
    if is_root || is_empty() {
        for controller in CONTROLLERS {
            let _ = fs::write(group.join("cgroup.subtree_control"), controller);
        }
    }
}

/// The directory of the group that herd is in.
fn own_group() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then_some(place)
    })?;
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(place).join(own);
    // One outside what is shown here begins with `..`.
    (path.is_dir() && !own.contains("..")).then_some(path)
}

/// `herd`, or one that belongs to a folder (FNV-1a of its path).
fn top_name(root: &Path) -> String {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    if root == Path::new("/") {
        return "herd".to_owned();
    }
    let bytes = root.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("herd-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_root_has_its_own() {
        assert_eq!(top_name(Path::new("/")), "herd");
        let [one, two] = ["/no/one", "/no/two"].map(|root| top_name(Path::new(root)));
        assert!(one.starts_with("herd-") && one != two);
    }

    #[test]
    fn limits_are_those_of_the_definition() {
        let text = "command = 'x'\nmemory_max = '2M'\npids_max = 7\n";
        let service = Service::parse(Path::new("x"), text).unwrap();
        let all: Vec<_> = limits(&service).collect();
        let expected = [
            ("memory_max", "memory.max", (2 << 20).to_string()),
            ("pids_max", "pids.max", 7.to_string()),
        ];
        assert_eq!(all, expected);
    }
}
