//! The host key: made once, kept on the disk, mode 0600.

use super::backend::new_rng;
use super::files;
use crate::process::vfs::namespace;
use alloc::string::String;
use alloc::vec::Vec;
use paddock_abi::{Errno, Result};
use paddock_ssh::{HostKey, HostKeyError};
use paddock_vfs::{OpenFlags, PathContext};

/// Where the key lives; OpenSSH's name and format.
const PATH: &[u8] = b"/etc/ssh/ssh_host_ed25519_key";
const PUBLIC_PATH: &[u8] = b"/etc/ssh/ssh_host_ed25519_key.pub";
const FOLDER: &[u8] = b"/etc/ssh";

/// The host key from the disk, or a new one. A key that cannot be kept is
/// used all the same, with a warning: clients will see another next time.
/// The second value tells that it is for this boot only although there is a file:
/// that file is left alone.
pub fn load_or_make() -> (HostKey, bool) {
    let context = PathContext::root_at(namespace().root());
    match files::read(&context, PATH) {
        Ok(contents) => match from_openssh(contents.bytes) {
            Ok(key) => return (key, false),
            Err(error) => log::error!(
                "ssh: the host key file is damaged ({error}); using a new key for this boot only"
            ),
        },
        Err(Errno::ENOENT) => return (make(&context), false),
        Err(error) => log::error!(
            "ssh: the host key cannot be read ({}); using a new key for this boot only",
            files::describe(error)
        ),
    }
    (HostKey::generate(&mut new_rng()), true)
}

fn from_openssh(bytes: Vec<u8>) -> core::result::Result<HostKey, HostKeyError> {
    let text = String::from_utf8(bytes).map_err(|_| HostKeyError::Format)?;
    HostKey::from_openssh(&text)
}

fn make(context: &PathContext) -> HostKey {
    let key = HostKey::generate(&mut new_rng());
    log::info!("ssh: made a new host key");
    if let Err(error) = save(context, &key) {
        log::warn!("ssh: the new host key cannot be kept: {error}");
    }
    key
}

fn save(context: &PathContext, key: &HostKey) -> Result<()> {
    let text = key.to_openssh("paddock").map_err(|_| Errno::EINVAL)?;
    match namespace().mkdir(context, FOLDER, 0o755) {
        Ok(_) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    write(context, PATH, text.as_bytes(), 0o600)?;
    let mut line = key.public_line();
    line.push('\n');
    write(context, PUBLIC_PATH, line.as_bytes(), 0o644)?;
    namespace().sync()
}

/// Writes a file whole: under another name first, so that a power cut leaves
/// the old one or the new one.
fn write(context: &PathContext, path: &[u8], mut bytes: &[u8], mode: u32) -> Result<()> {
    let mut temporary = path.to_vec();
    temporary.extend_from_slice(b".new");
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::TRUNC;
    let file = namespace().open(context, &temporary, flags, mode)?;
    while !bytes.is_empty() {
        let count = file.write(bytes)?;
        bytes = &bytes[count..];
    }
    file.file().sync()?;
    namespace().rename(context, &temporary, context, path, 0)
}
