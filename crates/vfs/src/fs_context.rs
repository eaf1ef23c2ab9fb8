//! [`FsContext`]: a filesystem that is about to be mounted, or to be changed
//! (fsopen(2), fsconfig(2), fsmount(2), fspick(2)).

use crate::{Errno, File, FileSystem, Metadata, Result};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use paddock_sync::{Mutex, Pollable, Rank, Ready, WaitQueue, try_string};
use paddock_user_io::UserWriter;

/// The most bytes of options, with what is between them: a page, as for mount(2).
const MOST_OPTIONS: usize = 4094;

/// Options that Linux takes for every filesystem and that change nothing here: what is in
/// memory is where it is to be at once, and nobody locks what is read.
const PLAIN: [&str; 7] = [
    "async",
    "dirsync",
    "lazytime",
    "mand",
    "nolazytime",
    "nomand",
    "sync",
];

/// A parameter of fsconfig(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// A mere name (`FSCONFIG_SET_FLAG`).
    Flag,
    /// `FSCONFIG_SET_STRING`.
    Text(&'a str),
    /// Bytes, a path or a descriptor, of which no filesystem here takes any.
    Other,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Parameters of a new one, and that it be made.
    Parameters,
    /// Parameters of one that is there, and that they take effect.
    Changes,
    /// That it be mounted.
    Mount,
    /// Nothing any more.
    Failed,
}

struct State {
    phase: Phase,
    options: String,
    source: Option<String>,
    read_only: Option<bool>,
    fs: Option<Arc<dyn FileSystem>>,
}

impl State {
    const fn new(phase: Phase, fs: Option<Arc<dyn FileSystem>>) -> State {
        State {
            phase,
            options: String::new(),
            source: None,
            read_only: None,
            fs,
        }
    }

    fn has_disk(&self) -> bool {
        self.fs.as_ref().is_some_and(|fs| fs.has_disk())
    }

    /// `EBUSY` unless that is expected.
    fn check(&self, phase: Phase) -> Result<()> {
        match self.phase == phase {
            true => Ok(()),
            false => Err(Errno::EBUSY),
        }
    }

    /// Nothing is noted any more of what there is.
    fn expect_changes(&mut self) {
        let fs = self.fs.take();
        *self = State::new(Phase::Changes, fs);
    }

    /// `EINVAL` for too many, and for what would be taken for two; `ENOMEM`.
    fn add_option(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        let text = value.unwrap_or_default();
        let more = key.len() + text.len() + 2;
        let is_one = !key.is_empty() && !key.contains([',', '=']) && !text.contains(',');
        if !is_one || self.options.len() + more > MOST_OPTIONS {
            return Err(Errno::EINVAL);
        }
        let room = self.options.try_reserve(more);
        room.map_err(|_| Errno::ENOMEM)?;
        if !self.options.is_empty() {
            self.options.push(',');
        }
        self.options.push_str(key);
        if value.is_some() {
            self.options.push('=');
            self.options.push_str(text);
        }
        Ok(())
    }
}

/// The file of fsopen(2) and fspick(2). It has no messages to be read (`ENODATA`).
pub struct FsContext {
    kind: &'static str,
    state: Mutex<State>,
}

impl fmt::Debug for FsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FsContext({})", self.kind)
    }
}

impl FsContext {
    /// For a new filesystem of a kind.
    pub const fn for_mount(kind: &'static str) -> FsContext {
        FsContext {
            kind,
            state: Mutex::new(Rank::OpenFile, State::new(Phase::Parameters, None)),
        }
    }

    /// For a change of one that is there.
    pub fn for_change(fs: Arc<dyn FileSystem>) -> FsContext {
        FsContext {
            kind: fs.kind(),
            state: Mutex::new(Rank::OpenFile, State::new(Phase::Changes, Some(fs))),
        }
    }

    /// The kind of filesystem.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Notes a parameter, which `check` finds good if it is the filesystem's own.
    ///
    /// # Errors
    /// `EINVAL` for one that is not known, or not of its kind; `EBUSY` if none is expected;
    /// `ENOMEM`.
    pub fn set(
        &self,
        key: &str,
        value: Parameter<'_>,
        check: impl FnOnce(&str, Option<&str>) -> Result<()>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Parameters | Phase::Changes) {
            return Err(Errno::EBUSY);
        }
        match (key, value) {
            ("ro", _) => state.read_only = Some(true),
            ("rw", _) => state.read_only = Some(false),
            ("sync" | "dirsync", _) if state.has_disk() => return Err(Errno::EINVAL),
            (key, _) if PLAIN.contains(&key) => {}
            ("source", Parameter::Text(_)) if state.source.is_some() => return Err(Errno::EINVAL),
            ("source", Parameter::Text(text)) => state.source = Some(try_string(text)?),
            (_, Parameter::Other) => return Err(Errno::EINVAL),
            (key, Parameter::Flag) => {
                check(key, None)?;
                state.add_option(key, None)?;
            }
            (key, Parameter::Text(text)) => {
                check(key, Some(text))?;
                state.add_option(key, Some(text))?;
            }
        }
        Ok(())
    }

    /// `FSCONFIG_CMD_CREATE`: `make` makes the filesystem of options, of whether it is
    /// read-only and of its source, once `allow` has let it. May sleep.
    ///
    /// # Errors
    /// `EBUSY` if something else is expected; those of `allow`; those of `make`, after
    /// which nothing is expected any more.
    pub fn create(
        &self,
        allow: impl FnOnce() -> Result<()>,
        make: impl FnOnce(&str, bool, Option<&str>) -> Result<Arc<dyn FileSystem>>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        state.check(Phase::Parameters)?;
        allow()?;
        let source = state.source.as_deref();
        match make(&state.options, state.read_only == Some(true), source) {
            Ok(fs) => (state.phase, state.fs) = (Phase::Mount, Some(fs)),
            Err(error) => {
                state.phase = Phase::Failed;
                return Err(error);
            }
        }
        Ok(())
    }

    /// `FSCONFIG_CMD_RECONFIGURE`: `change` changes the filesystem by options, and by
    /// whether it is to be read-only. May sleep.
    ///
    /// # Errors
    /// `EBUSY` if something else is expected; those of `change`, after which nothing is
    /// expected any more.
    pub fn change(
        &self,
        change: impl FnOnce(&Arc<dyn FileSystem>, &str, Option<bool>) -> Result<()>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        state.check(Phase::Changes)?;
        let fs = state.fs.as_ref().ok_or(Errno::EBUSY)?;
        let result = change(fs, &state.options, state.read_only);
        match result {
            Ok(()) => state.expect_changes(),
            Err(_) => state.phase = Phase::Failed,
        }
        result
    }

    /// fsmount(2): `mount` mounts the filesystem, from what the second argument tells.
    /// After it, parameters are those of a change. May sleep.
    ///
    /// # Errors
    /// `EINVAL` if there is none, `EBUSY` if something else is expected; those of `mount`.
    pub fn mount<T>(
        &self,
        mount: impl FnOnce(&Arc<dyn FileSystem>, &str) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        let fs = state.fs.as_ref().ok_or(Errno::EINVAL)?;
        state.check(Phase::Mount)?;
        let mounted = mount(fs, state.source.as_deref().unwrap_or("none"))?;
        state.expect_changes();
        Ok(mounted)
    }
}

impl Pollable for FsContext {
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }
}

impl File for FsContext {
    fn read(&self, _: &mut u64, _: &mut UserWriter<'_>) -> Result<usize> {
        Err(Errno::ENODATA)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::anonymous())
    }

    fn anonymous_name(&self) -> Option<&'static str> {
        Some("[fscontext]")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem_fs::MemFs;
    use crate::{Clock, HeapPages, Timestamp};

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }
    }

    fn fs() -> Arc<dyn FileSystem> {
        MemFs::new(7, 1 << 20, 0o755, Arc::new(Stopped), Arc::new(HeapPages)).unwrap()
    }

    fn good(_: &str, _: Option<&str>) -> Result<()> {
        Ok(())
    }

    #[test]
    fn parameters_come_before_the_filesystem_and_it_before_the_mount() {
        let context = FsContext::for_mount("tmpfs");
        let mount = |context: &FsContext| context.mount(|_, source| try_string(source));
        let text = Parameter::Text;
        assert_eq!(mount(&context), Err(Errno::EINVAL));
        context.set("size", text("1k"), good).unwrap();
        context.set("ro", Parameter::Flag, good).unwrap();
        context.set("noswap", Parameter::Flag, good).unwrap();
        context.set("source", text("here"), good).unwrap();
        let twice = context.set("source", text("there"), good);
        assert_eq!(twice, Err(Errno::EINVAL));
        assert_eq!(context.change(|_, _, _| Ok(())), Err(Errno::EBUSY));
        let refused = context.create(|| Err(Errno::EPERM), |_, _, _| Ok(fs()));
        assert_eq!(refused, Err(Errno::EPERM));
        let make = |options: &str, read_only: bool, source: Option<&str>| {
            assert_eq!((options, read_only), ("size=1k,noswap", true));
            assert_eq!(source, Some("here"));
            Ok(fs())
        };
        context.create(|| Ok(()), make).unwrap();
        let again = context.create(|| Ok(()), |_, _, _| Ok(fs()));
        assert_eq!(again, Err(Errno::EBUSY));
        assert_eq!(context.set("ro", Parameter::Flag, good), Err(Errno::EBUSY));
        assert_eq!(mount(&context), Ok("here".into()));
        assert_eq!(mount(&context), Err(Errno::EBUSY));
        context.set("rw", Parameter::Flag, good).unwrap();
        let change = |_: &Arc<dyn FileSystem>, options: &str, read_only: Option<bool>| {
            assert_eq!((options, read_only), ("", Some(false)));
            Ok(())
        };
        context.change(change).unwrap();
        let failed = context.change(|_, _, _| Err(Errno::EBUSY));
        assert_eq!(failed, Err(Errno::EBUSY));
        assert_eq!(context.set("ro", Parameter::Flag, good), Err(Errno::EBUSY));
    }

    #[test]
    fn options_are_the_filesystems_own() {
        let context = FsContext::for_change(fs());
        assert_eq!(context.kind(), "tmpfs");
        let bad = |key: &str, _: Option<&str>| {
            assert_eq!(key, "huge");
            Err(Errno::EINVAL)
        };
        let text = Parameter::Text;
        assert_eq!(context.set("huge", text("x"), bad), Err(Errno::EINVAL));
        assert_eq!(context.set("sync", Parameter::Flag, bad), Ok(()));
        for key in ["", "a,b", "a=b"] {
            assert_eq!(context.set(key, text("x"), good), Err(Errno::EINVAL));
        }
        assert_eq!(context.set("a", text("x,y"), good), Err(Errno::EINVAL));
        assert_eq!(context.set("a", Parameter::Other, good), Err(Errno::EINVAL));
        let long = "x".repeat(MOST_OPTIONS);
        assert_eq!(context.set("a", text(&long), good), Err(Errno::EINVAL));
        let failed = context.create(|| Ok(()), |_, _, _| Ok(fs()));
        assert_eq!(failed, Err(Errno::EBUSY));
        assert_eq!(context.mount(|_, _| Ok(())), Err(Errno::EBUSY));
    }
}
