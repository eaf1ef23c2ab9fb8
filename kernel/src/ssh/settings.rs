//! The settings in force: those of `/etc/ssh/paddock.toml` when it was read
//! last and had no mistake.

use super::files::{self, State};
use super::{door, listen};
use crate::process::vfs::namespace;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_ssh::settings::{Mistake, Settings};
use paddock_ssh::{Config, HostKey};
use paddock_sync::{Mutex, OnceCell, Rank, SpinLock, try_arc};
use paddock_vfs::PathContext;

/// Where the file is.
pub const PATH: &[u8] = b"/etc/ssh/paddock.toml";

/// What one connection goes by from its beginning to its end.
pub struct InForce {
    /// The file's.
    pub settings: Settings,
    /// What the engine takes.
    pub config: Arc<Config>,
}

/// What is known of the file.
struct Source {
    /// The state it was in when it was read; `None` if it was not there.
    state: Option<State>,
    mistakes: Vec<Mistake>,
}

static IN_FORCE: OnceCell<SpinLock<Arc<InForce>>> = OnceCell::new();
/// Held while the file is read.
static SOURCE: Mutex<Source> = Mutex::new(
    Rank::SshSettings,
    Source {
        state: None,
        mistakes: Vec::new(),
    },
);

/// The settings in force; `None` before [`init`].
pub fn in_force() -> Option<Arc<InForce>> {
    IN_FORCE.get().map(|in_force| in_force.lock().clone())
}

/// Takes the host key, and reads the file. Once, at boot; sleeps.
#[allow(clippy::disallowed_methods, reason = "runs at boot, before any user")]
pub fn init(key: HostKey) {
    let first = InForce {
        settings: Settings::default(),
        config: Arc::new(Config::new(key)),
    };
    let _ = IN_FORCE.set(SpinLock::new(Rank::Leaf, Arc::new(first)));
    refresh();
}

/// Reads the file if it is not as it was. What cannot be read changes nothing.
/// Sleeps.
pub fn refresh() {
    let context = PathContext::root_at(namespace().root());
    let mut source = SOURCE.lock();
    let state = match files::state(&context, PATH) {
        Ok(state) => Some(state),
        Err(Errno::ENOENT | Errno::ENOTDIR) => None,
        Err(_) => return,
    };
    if state != source.state {
        // What goes wrong is in the log, and in the file of /proc.
        let _ = read(&context, &mut source);
    }
}

/// Reads the file again, whatever state it is in. Sleeps.
///
/// # Errors
/// `EINVAL` if there are mistakes, which are in the log; `ENOMEM`; those of
/// reading.
pub fn reload() -> Result<()> {
    let context = PathContext::root_at(namespace().root());
    read(&context, &mut SOURCE.lock())
}

fn read(context: &PathContext, source: &mut Source) -> Result<()> {
    let path = files::text(PATH);
    let (read, state) = match files::read(context, PATH) {
        Ok(contents) => (Settings::read(&contents.bytes), Some(contents.state())),
        Err(Errno::ENOENT | Errno::ENOTDIR) => (Ok(Settings::default()), None),
        Err(error) => {
            log::warn!("ssh: {path} cannot be read: {}", files::describe(error));
            return Err(error);
        }
    };
    let was_there = source.state.is_some();
    source.state = state;
    match read {
        Ok(settings) => {
            source.mistakes = Vec::new();
            install(settings)?;
            match (state.is_some(), was_there) {
                (true, _) => log::info!("ssh: the settings are those of {path}"),
                (false, true) => log::info!("ssh: {path} is gone: the settings are the default"),
                (false, false) => {}
            }
            Ok(())
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                log::error!("ssh: {path}:{mistake}");
            }
            log::error!("ssh: the settings stay as they were until {path} is mended");
            source.mistakes = mistakes;
            Err(Errno::EINVAL)
        }
    }
}

/// Puts settings in force: connections that there are keep theirs.
fn install(settings: Settings) -> Result<()> {
    let cell = IN_FORCE.get().ok_or(Errno::EINVAL)?;
    let mut config = Config::clone(&cell.lock().clone().config);
    settings.apply(&mut config);
    let config = try_arc(config)?;
    door::set_limits(&settings);
    let new = try_arc(InForce { settings, config })?;
    let old = core::mem::replace(&mut *cell.lock(), new);
    drop(old);
    listen::settings_changed();
    Ok(())
}

/// The file's mistakes, each as a line, and what is in force. Sleeps.
pub fn describe() -> String {
    let mut text = String::new();
    let path = files::text(PATH);
    for mistake in &SOURCE.lock().mistakes {
        text += &alloc::format!("mistake {path}:{mistake}\n");
    }
    if let Some(in_force) = in_force() {
        let settings = &in_force.settings;
        text += &alloc::format!(
            "ports {:?}\naddresses {:?}\n",
            settings.ports,
            settings.addresses
        );
        text += &alloc::format!(
            "allow_users {:?}\ndeny_users {:?}\n",
            settings.allow_users,
            settings.deny_users
        );
        text += &alloc::format!(
            "motd {}\npermit_user_environment {}\npermit_forwarding {}\n",
            settings.motd,
            settings.permit_user_environment,
            settings.permit_forwarding
        );
        let limits = &settings.limits;
        text += &alloc::format!(
            "unauthenticated {}\nper_address {}\ngrace_seconds {}\ntries {}\nsessions {}\nchannels {}\n",
            limits.unauthenticated,
            limits.per_address,
            limits.grace_seconds,
            limits.tries,
            limits.sessions,
            limits.channels
        );
    }
    text
}
